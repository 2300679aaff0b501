//! Tests of the rules of access. Most rows are advisories of another monitoring server, cc-backend 1.5.4; its name for each
//! fault is in the test's comment.

use super::*;

const TOKEN: &str = "not-a-secret-0123456789";

fn access(anonymous: Anonymous) -> Access {
    let mut access = Access::new(Secret::new(TOKEN), anonymous, &["Node03.example".to_owned()], false);
    access.set_port(9862);
    access
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn admitted(access: &Access, method: &Method, path: &str, pairs: &[(&'static str, &str)]) -> Result<Rights, u16> {
    let channel = Channel::Tcp { tls: false };
    access.admit(method, path, &headers(pairs), channel).map_err(|refusal| refusal.status.as_u16())
}

#[test]
fn d39_token_gives_everything_and_a_wrong_one_nothing() {
    let access = access(Anonymous::Coarse);
    let get = |authorization: &str| {
        admitted(&access, &Method::GET, "/metrics", &[("host", "127.0.0.1:9862"), ("authorization", authorization)])
    };
    assert_eq!(get(&format!("Bearer {TOKEN}")), Ok(Rights::All));
    assert_eq!(get(&format!("bearer  {TOKEN} ")), Ok(Rights::All));
    // Advisory "empty key accepted": an empty or short token matches nothing.
    for wrong in ["Bearer", "Bearer ", "Bearer x", "Basic dTpw", "", &format!("Bearer {TOKEN}x"), "Bearer not-a-secret"]
    {
        assert_eq!(get(wrong), Err(401), "{wrong}");
    }
    let two = [("host", "localhost"), ("authorization", "Bearer x"), ("authorization", "Bearer y")];
    assert_eq!(admitted(&access, &Method::GET, "/", &two), Err(400));
}

#[test]
fn server_without_a_token_accepts_none() {
    let access = Access::new(None, Anonymous::Coarse, &[], false);
    let empty = [("host", "localhost"), ("authorization", "Bearer ")];
    assert_eq!(admitted(&access, &Method::GET, "/metrics", &empty), Err(401));
    assert_eq!(admitted(&access, &Method::GET, "/metrics", &empty[..1]), Ok(Rights::Coarse));
    assert_eq!(access.open_session(&headers(&empty), false), None);
}

// Advisory "DNS rebinding and Host header".
#[test]
fn host_has_to_be_this_server() {
    let access = access(Anonymous::Coarse);
    let get = |host: &str| admitted(&access, &Method::GET, "/metrics", &[("host", host)]);
    for own in ["127.0.0.1:9862", "127.0.0.2", "[::1]:9862", "localhost:1", "LOCALHOST", "node03.EXAMPLE:9862"] {
        assert_eq!(get(own), Ok(Rights::Coarse), "{own}");
    }
    for foreign in [
        "evil.example",
        "127.0.0.1.evil.example",
        "192.0.2.1",
        "localhost.evil.example:9862",
        "",
        "a@localhost",
        "[::1",
    ] {
        assert!(matches!(get(foreign), Err(421 | 400)), "{foreign}: {:?}", get(foreign));
    }
    assert_eq!(admitted(&access, &Method::GET, "/", &[]), Err(400));
    assert_eq!(admitted(&access, &Method::GET, "/", &[("host", "localhost"), ("host", "evil.example")]), Err(400));
    let beyond = Access::new(Secret::new(TOKEN), Anonymous::Nothing, &[], true);
    assert_eq!(admitted(&beyond, &Method::GET, "/", &[("host", "192.0.2.1:9862")]), Ok(Rights::Nothing));
    assert_eq!(admitted(&beyond, &Method::GET, "/", &[("host", "evil.example")]), Err(421));
}

// Advisories "CORS * with credentials" and "CSRF".
#[test]
fn d39_requests_from_pages_of_other_sites_are_refused() {
    let access = access(Anonymous::Coarse);
    let host = ("host", "localhost:9862");
    let ask = |method: &Method, path: &str, extra: &[(&'static str, &str)]| {
        admitted(&access, method, path, &[&[host], extra].concat())
    };
    for site in ["cross-site", "same-site", "nonsense"] {
        assert_eq!(ask(&Method::GET, "/metrics", &[("sec-fetch-site", site)]), Err(403), "{site}");
        assert_eq!(ask(&Method::POST, "/session", &[("sec-fetch-site", site)]), Err(403), "{site}");
        let link = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate")];
        assert_eq!(ask(&Method::GET, "/", &link), Ok(Rights::Coarse), "a link to the page: {site}");
        assert_eq!(ask(&Method::POST, "/", &link), Err(403), "a form: {site}");
        assert_eq!(ask(&Method::GET, "/api/v1/state", &link), Err(403), "a frame: {site}");
    }
    for origin in ["http://evil.example", "null", "https://localhost:9862", "http://localhost:9863", "http://localhost"]
    {
        assert_eq!(ask(&Method::GET, "/events", &[("origin", origin)]), Err(403), "{origin}");
    }
    let own = [("origin", "http://localhost:9862"), ("sec-fetch-site", "same-origin")];
    assert_eq!(ask(&Method::POST, "/session", &own), Ok(Rights::Coarse));
}

#[test]
fn session_does_what_the_token_does_and_the_oldest_ends() {
    let access = access(Anonymous::Nothing);
    let token = format!("Bearer {TOKEN}");
    let begin = || {
        let cookie = access.open_session(&headers(&[("authorization", &token)]), false).unwrap();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    };
    let get = |cookie: &str| admitted(&access, &Method::GET, "/events", &[("host", "localhost"), ("cookie", cookie)]);
    let first = begin();
    assert_eq!(get(&format!("other=1; {first}; x")), Ok(Rights::All));
    for wrong in [
        "",
        "eco2_session_9862=",
        "eco2_session_9862=00",
        &first.replace("9862", "9863"),
        &first[..first.len() - 1],
        "eco2_session_9862",
    ] {
        assert_eq!(get(wrong), Ok(Rights::Nothing), "{wrong}");
    }
    (0..MOST_SESSIONS).for_each(|_| drop(begin()));
    assert_eq!(get(&first), Ok(Rights::Nothing));
    assert_eq!(access.open_session(&headers(&[("authorization", "Bearer x")]), false), None);
    let secure = access.open_session(&headers(&[("authorization", &token)]), true).unwrap();
    assert!(secure.ends_with("; Secure"), "{secure}");
}

#[test]
fn replaced_token_and_its_sessions_are_not_valid_any_more() {
    let access = access(Anonymous::Nothing);
    let bearer = |token: &str| format!("Bearer {token}");
    let get = |pair: (&'static str, &str)| admitted(&access, &Method::GET, "/metrics", &[("host", "localhost"), pair]);
    let cookie = access.open_session(&headers(&[("authorization", &bearer(TOKEN))]), false).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    access.replace_token(Secret::new(TOKEN).unwrap());
    assert_eq!(get(("cookie", cookie)), Ok(Rights::All), "the same token again");
    let other = "not-a-secret-9876543210";
    access.replace_token(Secret::new(other).unwrap());
    assert_eq!(get(("authorization", &bearer(TOKEN))), Err(401));
    assert_eq!(get(("authorization", &bearer(other))), Ok(Rights::All));
    assert_eq!(get(("cookie", cookie)), Ok(Rights::Nothing));
}

#[test]
fn token_for_one_session_is_used_up() {
    let access = Access::new(None, Anonymous::Nothing, &[], false);
    access.accept_once(Secret::new(TOKEN).unwrap());
    let token = headers(&[("authorization", &format!("Bearer {TOKEN}"))]);
    let wrong = headers(&[("authorization", "Bearer not-a-secret-9876543210")]);
    assert!(access.open_session(&wrong, false).is_none(), "a wrong guess does not use it up");
    assert!(access.open_session(&token, false).is_some());
    assert!(access.open_session(&token, false).is_none());
    let pairs = [("host", "localhost"), ("authorization", "Bearer x")];
    assert_eq!(admitted(&access, &Method::POST, "/session", &pairs), Ok(Rights::Nothing));
    let read = [("host", "localhost"), ("authorization", &*format!("Bearer {TOKEN}"))];
    assert_eq!(admitted(&access, &Method::GET, "/metrics", &read), Err(401), "it opens a session only");
}

#[test]
fn user_at_the_socket_sees_own_jobs_and_root_sees_all() {
    let access = access(Anonymous::Coarse);
    let by = |uid, trusted| access.admit(&Method::GET, "/", &HeaderMap::new(), Channel::Unix { uid, trusted });
    assert_eq!(by(1000, false), Ok(Rights::Own(1000)));
    assert_eq!(by(0, true), Ok(Rights::All));
    assert_eq!((Rights::Own(1).detail(), Rights::All.detail()), (Detail::Coarse, Detail::Exact));
}
