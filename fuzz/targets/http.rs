//! Fuzz target `http`: what a client sends to the agent, as the bytes of a connection or as a request in parts.
//!
//! The first byte is the caller, the second the form: 0 is a connection whose bytes follow, another number is an address of the
//! server. The parts of a request follow with a zero byte in between: the id in the path, the query, headers (lines), the body.
#![no_main]

use std::sync::OnceLock;
use std::time::Duration;

use eco2_agent::fuzzed::{FuzzedCaller, FuzzedNames, FuzzedRoute, FuzzedServer, LARGEST_BODY};
use eco2_agent::{Anonymous, Secret, new_token};
use libfuzzer_sys::fuzz_target;

/// The largest answer is the page with its script and style.
const LARGEST_ANSWER: usize = 1 << 20;

/// Time without an answer after which a client ends its direction: of bytes that need not be a request, and of a request. That is beyond the
/// time in which libFuzzer reports an input as too slow.
const CONNECTION_PATIENCE: Duration = Duration::from_millis(5);
const REQUEST_PATIENCE: Duration = Duration::from_secs(20);

/// Two servers: one shows coarse values to callers without a token, one nothing.
struct Servers {
    token: String,
    names: FuzzedNames,
    open: FuzzedServer,
    closed: FuzzedServer,
    routes: Vec<FuzzedRoute>,
}

/// The caller of an input: how it connects, to which server, and whether it has the token.
#[derive(Clone, Copy)]
struct Client {
    caller: FuzzedCaller,
    is_closed: bool,
    has_token: bool,
}

impl Client {
    fn new(byte: u8) -> Self {
        let callers = [FuzzedCaller::Tcp, FuzzedCaller::Owner, FuzzedCaller::Root, FuzzedCaller::Tcp];
        Self { caller: callers[usize::from(byte % 4)], is_closed: byte & 4 != 0, has_token: byte & 8 != 0 }
    }

    fn sees_everything(self) -> bool {
        self.has_token || self.caller == FuzzedCaller::Root
    }

    fn sees_nothing(self) -> bool {
        self.is_closed && !self.has_token && self.caller == FuzzedCaller::Tcp
    }
}

fuzz_target!(|data: &[u8]| {
    let [caller, form, rest @ ..] = data else { return };
    let servers = servers();
    let client = Client::new(*caller);
    let server = if client.is_closed { &servers.closed } else { &servers.open };
    let answer = match usize::from(*form).checked_sub(1) {
        None => {
            // The bytes are the request: they cannot contain the token.
            let client = Client { has_token: false, ..client };
            let answer = server.exchanged(client.caller, rest, CONNECTION_PATIENCE);
            servers.check_names(client, &answer);
            answer
        }
        Some(number) => {
            let route = servers.routes[number % servers.routes.len()];
            // The high bits of the caller's byte make the body longer, beyond the server's limit.
            let request = Request::new(route, rest, usize::from(caller >> 4));
            let bytes = request.bytes(client.has_token.then_some(&servers.token));
            let answer = server.exchanged(client.caller, &bytes, REQUEST_PATIENCE);
            servers.check_names(client, &answer);
            request.check(client, &answer);
            answer
        }
    };
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", text(&answer));
});

impl Servers {
    /// Checks that an answer has no name that its caller may not see.
    fn check_names(&self, client: Client, answer: &[u8]) {
        let FuzzedNames { own_job, other_job, run, outside } = &self.names;
        let owns = client.caller == FuzzedCaller::Owner;
        let hidden = [
            (outside, true),
            (run, !client.sees_everything()),
            (other_job, !client.sees_everything()),
            (own_job, !client.sees_everything() && !owns),
            (&self.token, true),
        ];
        for (name, _) in hidden.iter().filter(|(_, is_hidden)| *is_hidden) {
            assert!(!contains(answer, name.as_bytes()), "{}", text(answer));
        }
    }
}

/// A request in parts.
struct Request<'a> {
    route: FuzzedRoute,
    id: &'a [u8],
    query: &'a [u8],
    headers: &'a [u8],
    body: Vec<u8>,
}

impl<'a> Request<'a> {
    fn new(route: FuzzedRoute, parts: &'a [u8], doublings: usize) -> Self {
        let mut parts = parts.splitn(4, |byte| *byte == 0);
        let [id, query, headers, body] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        Self { route, id, query, headers, body: body.repeat(1 << doublings.min(12)) }
    }

    fn bytes(&self, token: Option<&String>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (before, after) = self.route.path.split_once("{id}").unwrap_or((self.route.path, ""));
        let id = if self.route.path.contains("{id}") { self.id } else { b"" };
        let query: &[u8] = if self.query.is_empty() { b"" } else { b"?" };
        let method = format!("{} {before}", self.route.method);
        let parts = [method.as_bytes(), id, after.as_bytes(), query, self.query, b" HTTP/1.1\r\n"];
        parts.iter().for_each(|part| bytes.extend(*part));
        for line in self.headers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            bytes.extend(line);
            bytes.extend(b"\r\n");
        }
        if let Some(token) = token {
            bytes.extend(format!("authorization: Bearer {token}\r\n").as_bytes());
        }
        let length = self.body.len();
        bytes.extend(format!("host: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n").as_bytes());
        bytes.extend(&self.body);
        bytes
    }

    /// Whether nothing but this request can be read from its bytes.
    fn is_plain(&self) -> bool {
        let is_in_target = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
        self.headers.is_empty() && [self.id, self.query].concat().iter().all(is_in_target)
    }

    fn check(&self, client: Client, answer: &[u8]) {
        let context = || format!("{}\n{}", text(&self.bytes(None)), text(answer));
        assert!(answer.len() <= LARGEST_ANSWER + self.body.len(), "{}", answer.len());
        if !self.is_plain() {
            return;
        }
        let head_length =
            answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or_else(|| panic!("{}", context()));
        let (head, body) = (text(&answer[..head_length]), &answer[head_length + 4..]);
        let status: u16 = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{}", context()));
        assert!((200..=599).contains(&status) && status != 500, "{}", context());
        if self.body.len() > LARGEST_BODY {
            assert_eq!(status, 413, "{}", context());
        }
        let is_success = (200..300).contains(&status);
        assert!(!(is_success && client.sees_nothing() && self.route.is_protected), "{}", context());
        // No request without a token by TCP changes anything, or has stored runs read.
        let is_anonymous = client.caller == FuzzedCaller::Tcp && !client.has_token;
        assert!(
            !(is_success && is_anonymous && self.route.is_protected && self.route.method == "POST"),
            "{}",
            context()
        );
        // What the parser refuses has no headers of the agent; its own answers have the length of their body.
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        assert!(!is_success || field("x-content-type-options") == Some("nosniff"), "{}", context());
        if let Some(length) = field("content-length") {
            assert_eq!(length.parse(), Ok(body.len()), "{}", context());
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|found| found == part)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let random = || new_token().expect("random numbers");
        let (token, own_job, other_job, run, outside) = (random(), random(), random(), random(), random());
        let names = FuzzedNames { own_job, other_job, run, outside };
        let server = |anonymous, folder: &str| {
            let folder = std::env::temp_dir().join(format!("eco2-fuzz-http-{}-{folder}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("a folder for runs");
            FuzzedServer::new(&folder, Secret::new(&token).expect("a token"), anonymous, &names)
        };
        let (open, closed) = (server(Anonymous::Coarse, "open"), server(Anonymous::Nothing, "closed"));
        Servers { names, open, closed, routes: FuzzedServer::routes(), token }
    })
}
