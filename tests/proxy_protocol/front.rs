//! Proxies in front of the gateway: one that writes the header that it is given, and `HAProxy`.
use crate::support::{Directory, Tool};
use std::{
    env, fs, io,
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    thread,
};

/// A header of version 1 that names this source.
pub fn v1(source: &str) -> Vec<u8> {
    let (family, destination) = if source.contains(':') { ("TCP6", "2001:db8::ff") } else { ("TCP4", "198.51.100.2") };
    format!("PROXY {family} {source} {destination} 40000 443\r\n").into_bytes()
}

/// A header of version 2.
pub fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

/// The addresses of version 2 with this source.
pub fn ipv4(source: &str) -> Vec<u8> {
    [&source.parse::<Ipv4Addr>().expect("an address").octets()[..], &[198, 51, 100, 2], &[0x9c, 0x40, 0x01, 0xbb]].concat()
}

/// The same in IPv6.
pub fn ipv6(source: &str) -> Vec<u8> {
    let destination = Ipv6Addr::LOCALHOST.octets();
    [&source.parse::<Ipv6Addr>().expect("an address").octets()[..], &destination, &[0x9c, 0x40, 0x01, 0xbb]].concat()
}

/// Passes on bytes, after a header.
pub struct Front {
    pub address: SocketAddr,
}

impl Front {
    pub fn start(gateway: SocketAddr, header: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, header) = (listener.local_addr().expect("it is bound"), header.to_vec());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let header = header.clone();
                thread::spawn(move || pass_on(&client, gateway, &header));
            }
        });
        Self { address }
    }
}

/// A side that is gone ends the other: not this proxy's concern.
fn pass_on(client: &TcpStream, gateway: SocketAddr, header: &[u8]) -> io::Result<()> {
    let server = TcpStream::connect(gateway)?;
    io::Write::write_all(&mut &server, header)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &server, &mut &*client);
            let _ = client.shutdown(Shutdown::Both);
        });
        let _ = io::copy(&mut &*client, &mut &server);
        server.shutdown(Shutdown::Write)
    })
}

/// A running `HAProxy`; it ends with this value.
pub struct Haproxy {
    _process: Tool,
    _directory: Directory,
    pub address: SocketAddr,
}

impl Haproxy {
    /// In front of this server, listening at this address; port 0: one that the system chooses.
    pub fn start(server: SocketAddr, at: SocketAddr, options: &str) -> Self {
        // It takes the socket as its standard input: nobody else can take the port meanwhile, and clients wait in the queue.
        let listener = TcpListener::bind(at).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let directory = Directory::new();
        let config = format!(
            "defaults\n    mode tcp\n    timeout connect 20s\n    timeout client 20s\n    timeout server 20s\n\
             listen front\n    bind fd@0\n    server gateway {server} {options}\n"
        );
        fs::write(directory.path().join("haproxy.cfg"), config).expect("a directory of its own");
        // Debian keeps it where only root looks.
        let path = format!("{}:/usr/sbin", env::var("PATH").unwrap_or_default());
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f", "haproxy.cfg"]).env("PATH", path).current_dir(directory.path());
        let process = Tool::spawn(command.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::null()));
        Self { _process: process, _directory: directory, address }
    }
}
