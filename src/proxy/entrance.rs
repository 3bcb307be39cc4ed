//! What a listener's next connection meets: TLS, and the application with its options. Both belong to a configuration and are
//! replaced by a reload; a connection keeps those that it met.
//!
//! The framework's proxies live as long as the process. What they would fix at the start is not left to them: the options of
//! connections are given by [`App`].

use super::{
    guard::{Guarding, Http2},
    phases::Phases,
    proxy_protocol::receive::Expecting,
    shared::Shared,
    tls::{TlsError, server_config},
};
use crate::{
    config::{Gateway, Listener, ListenerAddress},
    observe::Metrics,
};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use pingora_core::{
    apps::HttpServerApp,
    connectors::{ConnectorOptions, TransportConnector},
    listeners::tls::Acceptor,
    server::configuration::ServerConf,
};
use pingora_proxy::HttpProxy;
use std::{net::IpAddr, sync::Arc};

/// What a connection is served by.
pub struct Entrance<A> {
    /// The application.
    pub app: Arc<A>,
    /// What serves those above the bound on connections.
    pub full: Arc<A>,
    /// Whose connections are not counted by address, because they bring those of many; and who is believed whose they are.
    pub trusted_proxies: Vec<IpNet>,
    /// A header of the PROXY protocol before everything else.
    pub proxy_protocol: Option<Expecting>,
    /// TLS before it.
    pub tls: Option<Arc<Acceptor>>,
}

impl<A> Entrance<A> {
    /// Whether this is a trusted proxy.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// One listener's [`Entrance`], loaded by each new connection.
pub type Door<A> = Arc<ArcSwap<Entrance<A>>>;

/// A listener's application: the framework's proxy behind the guard, with the options of one configuration.
pub struct App {
    pub(super) proxy: Arc<HttpProxy<Phases>>,
    pub(super) guarding: Guarding,
    /// Off for HTTP/1 alone.
    pub(super) http2: Option<Arc<Http2>>,
    /// Each connection gets one answer: that there are too many.
    pub(super) full: bool,
}

/// TLS of a configuration's listeners, ready before anything of the configuration is taken up.
pub struct PreparedTls(Vec<Option<(Arc<Acceptor>, f64)>>);

impl PreparedTls {
    /// Reads certificates and keys of all listeners.
    ///
    /// # Errors
    /// A file that cannot be read or used.
    pub fn read(gateway: &Gateway) -> Result<Self, TlsError> {
        gateway.listeners.iter().map(acceptor).collect::<Result<_, _>>().map(Self)
    }
}

fn acceptor(listener: &Listener) -> Result<Option<(Arc<Acceptor>, f64)>, TlsError> {
    let Some(tls) = &listener.tls else { return Ok(None) };
    let (config, ends) = server_config(tls, listener.http2)?;
    Ok(Some((Arc::new(Acceptor::from_server_config(config)), ends)))
}

/// The doors of all listeners, by their addresses.
pub struct Doors {
    proxies: Proxies,
    doors: Vec<(ListenerAddress, Door<App>)>,
}

impl Doors {
    /// The doors of the first configuration.
    pub fn new(shared: &Arc<Shared>, gateway: &Gateway, tls: &PreparedTls) -> Self {
        let proxies = Proxies::new(shared, gateway.server.threads);
        let door = |(listener, tls): (&Listener, &Option<(Arc<Acceptor>, f64)>)| {
            let entrance = proxies.entrance(gateway, listener, tls.as_ref(), &shared.metrics);
            (listener.address.clone(), Arc::new(ArcSwap::from_pointee(entrance)))
        };
        let doors = gateway.listeners.iter().zip(&tls.0).map(door).collect();
        Self { proxies, doors }
    }

    /// In the order of the first configuration.
    pub fn all(&self) -> impl Iterator<Item = &Door<App>> {
        self.doors.iter().map(|(_, door)| door)
    }

    /// The next connections meet this configuration, whose listeners have the addresses of the first. What clients kept to resume
    /// TLS is void: a session must not outlive the `client_ca` or the certificate that it was begun under.
    pub fn follow(&self, gateway: &Gateway, tls: &PreparedTls, metrics: &Metrics) {
        for (listener, tls) in gateway.listeners.iter().zip(&tls.0) {
            if let Some((_, door)) = self.doors.iter().find(|(address, _)| *address == listener.address) {
                door.store(Arc::new(self.proxies.entrance(gateway, listener, tls.as_ref(), metrics)));
            }
        }
    }

    /// Idle connections are closed, and all others when their request is answered.
    pub async fn close_connections(&self) {
        for proxy in [&self.proxies.general, &self.proxies.redirect] {
            proxy.http_cleanup().await;
        }
    }
}

/// The proxies of the two kinds of listeners; that of redirects never asks a server.
struct Proxies {
    shared: Arc<Shared>,
    general: Arc<HttpProxy<Phases>>,
    redirect: Arc<HttpProxy<Phases>>,
}

impl Proxies {
    fn new(shared: &Arc<Shared>, threads: usize) -> Self {
        let conf = Arc::new(ServerConf { threads, ..ServerConf::default() });
        // Connects, with the same trust; what it could pool is kept by the workers (`idle`).
        let connector = Arc::new(TransportConnector::new(Some(ConnectorOptions::from_server_conf(&conf))));
        let proxy = |redirect_only| {
            let phases = Phases { shared: Arc::clone(shared), redirect_only, connector: Arc::clone(&connector) };
            let mut proxy = HttpProxy::new(phases, Arc::clone(&conf));
            proxy.handle_init_modules();
            Arc::new(proxy)
        };
        Self { shared: Arc::clone(shared), general: proxy(false), redirect: proxy(true) }
    }

    fn entrance(
        &self,
        gateway: &Gateway,
        listener: &Listener,
        tls: Option<&(Arc<Acceptor>, f64)>,
        metrics: &Metrics,
    ) -> Entrance<App> {
        let proxy = Arc::clone(if listener.redirect_https { &self.redirect } else { &self.general });
        let http2 = listener.http2.then(|| Arc::new(Http2::new(&gateway.bounds, Arc::clone(&self.shared))));
        let tls = tls.map(|(acceptor, ends)| {
            metrics.certificate_ends(&listener.address, *ends);
            Arc::clone(acceptor)
        });
        let guarding = Guarding::new(&gateway.bounds, self.shared.clock);
        let full = Arc::new(App { proxy: Arc::clone(&proxy), guarding, http2: http2.clone(), full: true });
        let app = Arc::new(App { proxy, guarding, http2, full: false });
        Entrance {
            app,
            full,
            trusted_proxies: gateway.server.trusted_proxies.clone(),
            proxy_protocol: Expecting::new(listener.proxy_protocol, &gateway.bounds, &metrics.proxy_headers_refused),
            tls,
        }
    }
}
