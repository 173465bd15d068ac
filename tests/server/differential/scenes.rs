pub fn play_one(_: &mut super::world::World, _: &mut fastrand::Rng) {}
