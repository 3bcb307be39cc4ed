//! Certificates made for one test, and a server that shows one.
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// An authority that nobody trusts unless told to.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub struct Certificate {
    pub pem: String,
    pub key_pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    /// A certificate for this name or address.
    pub fn certificate(&self, name: &str) -> Certificate {
        self.sign(&CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// The same, and its time is long over.
    pub fn expired_certificate(&self, name: &str) -> Certificate {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certificate { pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

impl Certificate {
    /// One that vouches for itself.
    pub fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

/// A server over TLS that answers every request on a connection of its own with the server name that it was asked for.
pub fn tls_upstream(certificate: &Certificate) -> SocketAddr {
    serve_tls(certificate, answer_with_name)
}

/// TLS in front of a plain server that answers one request on a connection.
pub fn tls_before(certificate: &Certificate, server: SocketAddr) -> SocketAddr {
    serve_tls(certificate, move |stream, config| pass_on(stream, config, server))
}

fn serve_tls(
    certificate: &Certificate,
    serve: impl Fn(TcpStream, Arc<ServerConfig>) -> Option<()> + Clone + Send + 'static,
) -> SocketAddr {
    let chain = vec![CertificateDer::from_pem_slice(certificate.pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, serve) = (config.clone(), serve.clone());
            thread::spawn(move || serve(stream, config));
        }
    });
    address
}

/// One request's head goes to the server, and what comes back is passed on to its end.
fn pass_on(stream: TcpStream, config: Arc<ServerConfig>, server: SocketAddr) -> Option<()> {
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config).ok()?, stream));
    let mut server = TcpStream::connect(server).ok()?;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        (stream.read_line(&mut line).ok()? > 0).then_some(())?;
        server.write_all(line.as_bytes()).ok()?;
    }
    std::io::copy(&mut server, stream.get_mut()).ok()?;
    stream.get_mut().conn.send_close_notify();
    stream.get_mut().flush().ok()
}

/// A client that turns away from the certificate ends this early: not this server's concern.
fn answer_with_name(stream: TcpStream, config: Arc<ServerConfig>) -> Option<()> {
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config).ok()?, stream));
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        (stream.read_line(&mut line).ok()? > 0).then_some(())?;
    }
    let name = stream.get_ref().conn.server_name().unwrap_or("none").to_owned();
    let response = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{name}", name.len());
    stream.get_mut().write_all(response.as_bytes()).ok()?;
    stream.get_mut().conn.send_close_notify();
    stream.get_mut().flush().ok()
}
