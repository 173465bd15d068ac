//! A node's start: its file is locked, read, or written for the first time.

use std::fs::{self, TryLockError};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::cluster::{Cluster, Moment, NodeId, SLOTS};
use crate::config::Config;
use crate::persist::disk::Disk;
use crate::state::clustering::{Clustering, bus_port, lock_file, settings_of};
use crate::util::{chance, clock};

/// The state of this node's cluster as it was left, or of a new one; none where cluster mode is off.
pub fn open(config: &Config, disk: &Arc<dyn Disk>) -> Result<Option<Clustering>> {
    if !config.cluster_enabled.get() {
        return Ok(None);
    }
    if config.replicaof.get().0.is_some() {
        bail!("replicaof directive not allowed in cluster mode");
    }
    let bus_port = check_ports(config)?;
    let path = config.place_of(&config.cluster_config_file.get());
    let lock = lock_file(&path).map_err(|error| lock_error(&path, error))?;
    let text = fs::read_to_string(&path)
        .with_context(|| format!("Loading the cluster node config from {}", path.display()))?;
    let mut cluster = cluster_of(&text, config, bus_port)?;
    if config.cluster_lone_node.get() {
        be_alone(&mut cluster)?;
    }
    let clustering = Clustering::new(cluster, bus_port, path, lock);
    if text.is_empty() {
        clustering
            .save(disk)
            .context("Can't write the cluster config file")?;
    }
    Ok(Some(clustering))
}

fn lock_error(path: &Path, error: TryLockError) -> anyhow::Error {
    let path = path.display();
    match error {
        TryLockError::WouldBlock => anyhow::anyhow!(
            "Sorry, the cluster configuration file {path} is already used by a different Redis Cluster node. Please \
             make sure that different nodes use different cluster configuration files."
        ),
        TryLockError::Error(error) => {
            anyhow::anyhow!("Can't open {path} in order to acquire a lock: {error}")
        }
    }
}

/// The port for the bus.
fn check_ports(config: &Config) -> Result<u16> {
    let (main, name) = match config.tls_cluster.get() {
        true => (config.tls_port.get(), "TLS port"),
        false => (config.port.get(), "port"),
    };
    if main == 0 {
        bail!(
            "A cluster's node needs a {name} for clients: it tells the others where it is reached."
        );
    }
    u16::try_from(bus_port(config)).map_err(|_| {
        anyhow::anyhow!(
            "Cluster bus port number too high: the bus listens at the {name} number plus 10000, which must be lower than \
             65536, unless cluster-port names another one"
        )
    })
}

/// Gives a node that is alone all slots.
fn be_alone(cluster: &mut Cluster) -> Result<()> {
    if cluster.nodes().len() > 1 {
        bail!(
            "cluster-lone-node is yes, but the cluster config file knows other nodes: a node that left a cluster begins with \
             another file."
        );
    }
    let taken = cluster.me().slots.clone();
    for slot in (0..SLOTS as u16).filter(|slot| !taken.has(*slot)) {
        let free = cluster.add_slots(&[(slot, slot)]);
        free.map_err(|refused| anyhow::anyhow!(refused.0))?;
    }
    cluster.finish(Moment {
        now_ms: clock::now_ms(),
        ..Moment::default()
    });
    Ok(())
}

fn cluster_of(text: &str, config: &Config, bus_port: u16) -> Result<Cluster> {
    let settings = settings_of(config, bus_port);
    let mut rng = chance::generator();
    if !text.is_empty() {
        let cluster = Cluster::read(text, settings, rng, clock::now_ms()).map_err(|why| {
            anyhow::anyhow!("Unrecoverable error: corrupted cluster config file \"{why}\".")
        })?;
        tracing::info!("Node configuration loaded, I'm {}", cluster.me().id);
        return Ok(cluster);
    }
    let id = NodeId::parse(chance::identity().as_bytes()).unwrap_or(NodeId::random(&mut rng));
    let shard = NodeId::random(&mut rng);
    tracing::info!("No cluster configuration found, I'm {id}");
    Ok(Cluster::new(id, shard, settings, rng))
}
