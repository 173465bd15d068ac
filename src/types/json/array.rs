//! A long array: elements in chunks, which copies share.

use triomphe::Arc;

use crate::util::thread;

/// Elements of a chunk: copying one, which an edit of a shared chunk does, takes some microseconds.
const CHUNK: usize = 256;

#[derive(Clone, Debug)]
pub struct LongArray<T> {
    /// None of them is empty.
    chunks: Vec<Arc<Vec<T>>>,
    /// Where each chunk ends, counted from the first element.
    ends: Vec<usize>,
}

impl<T: Clone> LongArray<T> {
    pub fn new(elements: impl ExactSizeIterator<Item = T>) -> Self {
        let mut array = LongArray {
            chunks: chunked(elements),
            ends: Vec::new(),
        };
        array.count_from(0);
        array
    }

    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The chunk that an element is in, and its place there.
    fn place(&self, at: usize) -> Option<(usize, usize)> {
        if at >= self.len() {
            return None;
        }
        let chunk = self.ends.partition_point(|end| *end <= at);
        let start = chunk.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some((chunk, at - start))
    }

    pub fn get(&self, at: usize) -> Option<&T> {
        let (chunk, place) = self.place(at)?;
        Some(&self.chunks[chunk][place])
    }

    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let (chunk, place) = self.place(at)?;
        Some(&mut Arc::make_mut(&mut self.chunks[chunk])[place])
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Puts elements before the one at `at`, or behind the last one.
    pub fn insert(&mut self, at: usize, elements: Vec<T>) {
        let Some(last) = self.chunks.len().checked_sub(1) else {
            *self = Self::new(elements.into_iter());
            return;
        };
        let end = (last, self.chunks[last].len());
        let (chunk, place) = self.place(at).unwrap_or(end);
        let held = Arc::make_mut(&mut self.chunks[chunk]);
        held.splice(place..place, elements);
        if held.len() > CHUNK {
            let parts = chunked(std::mem::take(held).into_iter());
            self.chunks.splice(chunk..=chunk, parts);
        }
        self.count_from(chunk);
    }

    pub fn remove(&mut self, at: usize) -> Option<T> {
        let (chunk, place) = self.place(at)?;
        let held = Arc::make_mut(&mut self.chunks[chunk]);
        let taken = held.remove(place);
        let left = held.len();
        if left == 0 {
            self.chunks.remove(chunk);
        } else if let Some(next) = self.chunks.get(chunk + 1)
            && left + next.len() <= CHUNK / 2
        {
            let next = self.chunks.remove(chunk + 1);
            let held = Arc::make_mut(&mut self.chunks[chunk]);
            held.extend(next.iter().cloned());
        }
        self.count_from(chunk);
        Some(taken)
    }

    /// Keeps the elements in this range.
    pub fn keep(&mut self, start: usize, end: usize) {
        let kept: Vec<Arc<Vec<T>>> = std::mem::take(&mut self.chunks);
        let mut from = 0;
        for mut chunk in kept {
            let to = from + chunk.len();
            let (low, high) = (start.clamp(from, to) - from, end.clamp(from, to) - from);
            if low < high {
                if high - low < chunk.len() {
                    let held = Arc::make_mut(&mut chunk);
                    held.truncate(high);
                    held.drain(..low);
                }
                self.chunks.push(chunk);
            }
            from = to;
        }
        self.count_from(0);
    }

    fn count_from(&mut self, chunk: usize) {
        self.ends.truncate(chunk);
        let mut end = self.len();
        for chunk in &self.chunks[chunk..] {
            end += chunk.len();
            self.ends.push(end);
        }
    }

    /// Bytes of chunks and their places, not those that elements hold themselves.
    pub fn heap_bytes(&self) -> usize {
        let chunks: usize = self
            .chunks
            .iter()
            .map(|chunk| 32 + chunk.capacity() * size_of::<T>())
            .sum();
        chunks + self.chunks.capacity() * 8 + self.ends.capacity() * 8
    }
}

fn chunked<T>(mut elements: impl ExactSizeIterator<Item = T>) -> Vec<Arc<Vec<T>>> {
    let mut chunks = Vec::with_capacity(elements.len().div_ceil(CHUNK));
    loop {
        let chunk: Vec<T> = elements.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            return chunks;
        }
        chunks.push(Arc::new(chunk));
    }
}

impl<T> Drop for LongArray<T> {
    fn drop(&mut self) {
        thread::drop_each(self.chunks.drain(..));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_a_vector() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut model: Vec<i64> = (0..1000).collect();
        let mut array = LongArray::new(model.iter().copied());
        for step in 0..20_000 {
            let before = (step % 100 == 0).then(|| (array.clone(), model.clone()));
            let at = random.usize(0..=model.len());
            match random.u8(0..20) {
                0..=8 if at < model.len() => {
                    let Some(n) = array.remove(at) else {
                        panic!("an element was there");
                    };
                    assert_eq!(n, model.remove(at));
                }
                9 if model.len() > 2000 => {
                    array.keep(at / 2, at);
                    model = model[at / 2..at].to_vec();
                }
                10 if at < model.len() => {
                    *array.get_mut(at).expect("it is there") = -1;
                    model[at] = -1;
                }
                count if !model.is_empty() => {
                    let more: Vec<i64> = (0..i64::from(count)).collect();
                    array.insert(at, more.clone());
                    model.splice(at..at, more);
                }
                _ => {
                    model = vec![1];
                    array = LongArray::new([1].into_iter());
                }
            }
            assert!(same(&array, &model));
            if let Some((array, model)) = before {
                assert!(same(&array, &model), "a copy keeps what it had");
            }
        }
    }

    fn same(array: &LongArray<i64>, model: &[i64]) -> bool {
        let middle = model.len() / 2;
        array.len() == model.len()
            && array.iter().eq(model)
            && (model.is_empty() || array.get(middle) == Some(&model[middle]))
            && array.get(model.len()).is_none()
    }
}
