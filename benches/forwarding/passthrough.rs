//! A bare Pingora pass-through: no decision, no header, no log; one worker, no stealing.

use async_trait::async_trait;
use pingora_core::{
    Result,
    modules::http::HttpModules,
    server::{Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};
use std::net::SocketAddr;

struct PassThrough(SocketAddr);

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn upstream_peer(&self, _session: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

/// Serves `listen` from `upstream` until the process is ended.
pub fn run(listen: &str, upstream: &str) {
    let conf = ServerConf { threads: 1, work_stealing: false, upstream_keepalive_pool_size: 1024, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let upstream = upstream.parse().expect("an address");
    let mut service = http_proxy_service(&server.configuration, PassThrough(upstream));
    service.add_tcp(listen);
    server.add_service(service);
    let listen = listen.to_owned();
    std::thread::spawn(move || {
        while std::net::TcpStream::connect(&listen).is_err() {
            std::thread::yield_now();
        }
        eprintln!("listening on http://{listen}");
    });
    server.run_forever();
}
