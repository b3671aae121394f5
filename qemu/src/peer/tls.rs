//! [`TlsFront`]: TLS before a server that has none.

use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::Stream;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::Authority;
use super::http::SILENCE;
use super::http::listen;
use super::http::read_request;
use super::stop::PeerThread;
use crate::Lab;
use crate::Log;
use crate::Namespace;
use crate::Result;
use crate::error::Context;

/// Requests that come over TLS go on to a server without. Stopped on drop.
#[derive(Debug)]
pub struct TlsFront {
    _thread: PeerThread,
}

impl TlsFront {
    /// Listens on `address` in `namespace` with the certificate `name` that `authority` has issued, and asks `server`, which is
    /// in the same namespace.
    ///
    /// # Errors
    /// There is no such certificate, the address is not on an interface there, or the port is taken.
    pub fn start(
        lab: &Lab,
        namespace: &Namespace,
        address: &str,
        server: SocketAddr,
        authority: &Authority,
        name: &str,
    ) -> Result<Self> {
        let config = Arc::new(config(authority, name).context(name)?);
        let log = Log::default();
        lab.keep(&format!("tls-{name}"), &log);
        // The threads of whoever asks are made there too.
        let thread = namespace.enter(|| {
            let listener = TcpListener::bind(address).context(address)?;
            listen(listener, move |stream| {
                if let Err(error) = relay(&config, stream, server) {
                    log.push(error.to_string());
                }
            })
        })??;
        Ok(Self { _thread: thread })
    }
}

fn config(authority: &Authority, name: &str) -> io::Result<ServerConfig> {
    let file = |end: &str| authority.file(&format!("{name}.{end}"));
    let chain = CertificateDer::from_pem_file(file("pem")).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(file("key")).map_err(io::Error::other)?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| {
            config
                .with_no_client_auth()
                .with_single_cert(vec![chain], key)
        })
        .map_err(io::Error::other)
}

fn relay(
    config: &Arc<ServerConfig>,
    mut outside: &TcpStream,
    server: SocketAddr,
) -> io::Result<()> {
    outside.set_read_timeout(Some(SILENCE))?;
    let mut session = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
    let mut stream = Stream::new(&mut session, &mut outside);
    let Some(request) = read_request(&mut stream)? else {
        return Ok(());
    };
    let mut inside = TcpStream::connect(server)?;
    inside.write_all(&request.encode())?;
    io::copy(&mut inside, &mut stream)?;
    stream.conn.send_close_notify();
    stream.flush()
}
