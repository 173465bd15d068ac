//! Where an instance is reached: by a name or an address, and by the address that it comes to.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::util::number::parse_like_atoi;

/// A host and a port. The host is as it was told, `ip` what it comes to; that is empty where a name is not resolved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceAddress {
    pub host: String,
    pub ip: String,
    pub port: u16,
}

impl InstanceAddress {
    /// Whether both are at one place: by address, or by name where a name could not be resolved.
    pub fn is(&self, other: &InstanceAddress) -> bool {
        let same_ip = !self.ip.is_empty() && self.ip == other.ip;
        self.port == other.port && (same_ip || self.host.eq_ignore_ascii_case(&other.host))
    }
}

/// Why there is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAddress {
    Port,
    Host,
}

/// Names that are remembered: others than these come from hosts that make them up.
const NAMES_MAX: usize = 4096;
/// The longest name of a host.
const HOST_MAX: usize = 255;

/// What names of hosts mean, as far as it is known here.
#[derive(Debug, Default)]
pub struct HostNames {
    /// Whether names are taken at all, and not addresses alone.
    pub resolve: bool,
    known: HashMap<String, Option<String>>,
}

impl HostNames {
    /// The address that a host comes to.
    pub fn resolve(&self, host: &str) -> Option<String> {
        if let Some(ip) = literal(host) {
            return Some(ip);
        }
        match self.resolve {
            true => self.known.get(host).cloned().flatten(),
            false => None,
        }
    }

    /// Whether somebody has to look the name up first.
    pub fn is_unknown(&self, host: &str) -> bool {
        self.is_name(host) && !self.known.contains_key(host)
    }

    /// Whether it is a name, and names are taken.
    pub fn is_name(&self, host: &str) -> bool {
        self.resolve && is_host(host) && literal(host).is_none()
    }

    pub fn learn(&mut self, host: String, ip: Option<String>) {
        if self.known.len() >= NAMES_MAX && !self.known.contains_key(&host) {
            self.known.clear();
        }
        self.known.insert(host, ip);
    }

    /// Forgets names that came to nothing, so that they are looked up again.
    pub fn forget_failures(&mut self) {
        self.known.retain(|_, ip| ip.is_some());
    }

    /// An address; one whose name can't be resolved only if that is allowed.
    pub fn address(
        &self,
        host: &str,
        port: i64,
        unresolved: bool,
    ) -> Result<InstanceAddress, BadAddress> {
        let port = u16::try_from(port).map_err(|_| BadAddress::Port)?;
        let ip = match self.resolve(host) {
            Some(ip) => ip,
            None if self.resolve && unresolved && is_host(host) => String::new(),
            None => return Err(BadAddress::Host),
        };
        Ok(InstanceAddress {
            host: host.to_owned(),
            ip,
            port,
        })
    }

    /// Whether a host is the one of an address.
    pub fn is_host_of(&self, address: &InstanceAddress, host: &str) -> bool {
        match (self.resolve(host), self.resolve) {
            (Some(ip), _) => address.ip.eq_ignore_ascii_case(&ip),
            (None, true) => address.host.eq_ignore_ascii_case(host),
            (None, false) => address.ip.eq_ignore_ascii_case(host),
        }
    }
}

/// A port as others tell it. Nobody is reached at port 0.
pub fn port_of(text: &str) -> Option<i64> {
    let port = u16::try_from(parse_like_atoi(text.as_bytes())).ok();
    port.filter(|port| *port != 0).map(i64::from)
}

/// The address that a text is, as it is written in general.
fn literal(host: &str) -> Option<String> {
    host.parse::<IpAddr>().ok().map(|ip| ip.to_string())
}

/// Whether a text may be the name of a host: it gets into the file and into commands.
fn is_host(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !host.is_empty() && host.len() <= HOST_MAX && host.bytes().all(fits)
}
