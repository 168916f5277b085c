//! The same server over HTTP: one address, one path, a token for everybody who is not on this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use rmcp::handler::server::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

use super::desk::Desk;
use super::door::Door;
use crate::failure::{Failure, Kind};
use crate::model::digest::sha256;

/// The path of the server.
pub const PATH: &str = "/mcp";

/// The shortest token: what can be guessed is none.
const LEAST_TOKEN: usize = 24;

/// How to serve over HTTP.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Where.
    pub address: SocketAddr,
    /// A token that any client may show; those of the configuration stand for one client each.
    pub token: Option<String>,
    /// What the server may be called in the `Host` header, besides the names of this machine to itself.
    pub hosts: Vec<String>,
}

/// The client that a token stands for; `None` for the token that any client may show.
#[derive(Clone, Debug)]
pub struct Principal(pub Option<String>);

/// What decides who may come in.
struct Gate {
    desk: Arc<Desk>,
    token: Option<String>,
    is_open: bool,
}

/// Serves until `ended` returns. Calls `ready` with the address, whose port may have been 0.
///
/// # Errors
/// Where the address cannot be used, or is not loopback and there is no token.
pub async fn listen(
    desk: Arc<Desk>,
    listen: Listen,
    ready: impl FnOnce(SocketAddr),
    ended: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    listen_with(desk, listen, |door| door, ready, ended).await
}

/// As [`listen`], with something in front of the door, on the same way in: a conformance suite's own tools.
///
/// # Errors
/// As [`listen`].
pub async fn listen_with<H: ServerHandler>(
    desk: Arc<Desk>,
    listen: Listen,
    before: impl Fn(Door) -> H + Send + Sync + 'static,
    ready: impl FnOnce(SocketAddr),
    ended: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let has_token = listen.token.is_some() || desk.has_tokens();
    if !listen.address.ip().is_loopback() && !has_token {
        return Err(Failure::new(
            Kind::Refused,
            format!("{} can be reached from elsewhere, and there is no token", listen.address),
        )
        .hint("set VBOXMCP_MCP_TOKEN, or token_sha256 of a client under [mcp.clients] in vboxmcp.toml"));
    }
    if listen.token.as_ref().is_some_and(|token| token.len() < LEAST_TOKEN) {
        let text = format!("VBOXMCP_MCP_TOKEN is shorter than {LEAST_TOKEN} characters");
        return Err(Failure::new(Kind::Usage, text).hint("`openssl rand -hex 32` makes a good one"));
    }
    let listener = TcpListener::bind(listen.address).await.map_err(|error| {
        Failure::new(Kind::Other, format!("cannot listen on {}: {error}", listen.address))
    })?;
    let address = listener.local_addr()?;
    let gate = Arc::new(Gate {
        desk: Arc::clone(&desk),
        token: listen.token.as_ref().map(|token| sha256(token.as_bytes())),
        is_open: !has_token,
    });
    let router = router(&desk, &listen.hosts, address, before).layer(from_fn_with_state(gate, enter));
    ready(address);
    let served = axum::serve(listener, router).with_graceful_shutdown(ended).await;
    desk.running.stop().await;
    Ok(served?)
}

fn router<H: ServerHandler>(
    desk: &Arc<Desk>,
    hosts: &[String],
    address: SocketAddr,
    before: impl Fn(Door) -> H + Send + Sync + 'static,
) -> Router {
    let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let hosts = loopback.into_iter().chain([address.ip().to_string()]).chain(hosts.iter().cloned());
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        // Browsers say where a page comes from: pages from elsewhere must not speak to this server.
        .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"])
        .with_sse_keep_alive(Some(Duration::from_secs(10)));
    let desk = Arc::clone(desk);
    let door = move || Ok(before(Door::new(Arc::clone(&desk))));
    let service = StreamableHttpService::new(door, Arc::new(LocalSessionManager::default()), config);
    Router::new().nest_service(PATH, service)
}

/// Lets in who shows a token that is known; and everybody, where none is asked for.
async fn enter(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.split_once(' '));
    let token =
        shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let principal = match token {
        // Digests are compared: how long that takes says nothing of the token.
        Some(token) => gate.principal(&sha256(token.as_bytes())),
        None if gate.is_open => Some(Principal(None)),
        None => None,
    };
    let Some(principal) = principal else {
        let mut refused = (StatusCode::UNAUTHORIZED, "a bearer token is needed\n").into_response();
        refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"vboxmcp\""));
        return refused;
    };
    request.extensions_mut().insert(principal);
    next.run(request).await
}

impl Gate {
    fn principal(&self, digest: &str) -> Option<Principal> {
        if let Some(client) = self.desk.client_of_token(digest) {
            return Some(Principal(Some(client.to_owned())));
        }
        let is_known = self.token.as_deref() == Some(digest);
        is_known.then_some(Principal(None))
    }
}
