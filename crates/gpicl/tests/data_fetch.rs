//! Downloads from a local server: whole, wrong, cut, absent, and the next mirror.
#![cfg(feature = "download")]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use gpicl::data::fetch::{Progress, fetch, fetch_files};
use gpicl::data::sources::RemoteFile;

#[derive(Clone)]
enum Answer {
    Whole(Vec<u8>),
    /// Says it is longer than it is, and hangs up.
    Cut(Vec<u8>),
}

/// Serves the answers by path until the test ends; anything else is 404.
fn serve(answers: HashMap<String, Answer>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().take(50) {
            let Ok(mut stream) = stream else { continue };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().and_then(Result::ok).unwrap_or_default();
            while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, claimed, body) = match answers.get(path) {
                Some(Answer::Whole(body)) => ("200 OK", body.len(), body.clone()),
                Some(Answer::Cut(body)) => ("200 OK", body.len() * 2, body.clone()),
                None => ("404 Not Found", 0, Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {claimed}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    address
}

/// What a mirror that fails everything leads to: the error, and why each download failed.
fn attempt(answers: HashMap<String, Answer>) -> (String, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let url = serve(answers);
    let mut failures = Vec::new();
    let error = fetch("mnist", dir.path(), Some(&url), &mut |progress| {
        if let Progress::Failed { problem, .. } = progress {
            failures.push(problem.to_string());
        }
    })
    .unwrap_err()
    .to_string();
    let left: Vec<_> = fs::read_dir(dir.path().join("mnist")).unwrap().collect();
    assert!(left.is_empty(), "nothing is left behind: {left:?}");
    (error, failures)
}

#[test]
fn a_good_file_comes_from_the_first_mirror_that_has_it_and_is_not_fetched_twice() {
    let dir = tempfile::tempdir().unwrap();
    // The MD5 of "hello".
    let file =
        RemoteFile { name: "greeting.gz", remote: "hello.gz", md5: "5d41402abc4b2a76b9719d911017c592" };
    let good = HashMap::from([("/hello.gz".to_string(), Answer::Whole(b"hello".to_vec()))]);
    let bad = HashMap::from([("/hello.gz".to_string(), Answer::Cut(b"hel".to_vec()))]);
    let mirrors = [serve(HashMap::new()), serve(bad), serve(good)].map(|url| format!("{url}/"));
    let get = |mirrors: &[String]| {
        let (mut failed, mut present, mut bytes) = (0, 0, 0);
        let files = fetch_files("greetings", &[file], mirrors, dir.path(), &mut |progress| match progress {
            Progress::Failed { .. } => failed += 1,
            Progress::Present { .. } => present += 1,
            Progress::Bytes(count) => bytes += count,
            Progress::Start { .. } | Progress::Done { .. } => {}
        });
        (files.unwrap(), failed, present, bytes)
    };
    let (files, failed, present, bytes) = get(&mirrors);
    assert_eq!((failed, present), (2, 0), "the first two mirrors fail");
    assert!(bytes >= 5);
    assert_eq!(fs::read(&files[0]).unwrap(), b"hello");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no part is left beside it");
    assert_eq!(get(&[]).2, 1, "it is verified, not downloaded again");
    fs::write(&files[0], b"damaged").unwrap();
    assert_eq!(get(&mirrors[2..]).1, 0, "a damaged file is replaced");
    assert_eq!(fs::read(&files[0]).unwrap(), b"hello");
}

fn images(answer: Answer) -> HashMap<String, Answer> {
    HashMap::from([("/train-images-idx3-ubyte.gz".to_string(), answer)])
}

#[test]
fn a_file_with_another_checksum_is_not_kept() {
    let (error, failures) = attempt(images(Answer::Whole(vec![7; 100_000])));
    assert!(
        failures[0].contains("MD5 is") && failures[0].contains("f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        "{failures:?}"
    );
    assert!(error.contains("train-images-idx3-ubyte.gz") && error.contains("check the network"), "{error}");
}

#[test]
fn a_cut_connection_is_noticed() {
    let (_, failures) = attempt(images(Answer::Cut(vec![7; 100_000])));
    assert!(failures[0].contains("cut after"), "{failures:?}");
}

#[test]
fn an_absent_file_is_reported_with_its_address() {
    let (error, failures) = attempt(HashMap::new());
    assert!(failures[0].contains("404"), "{failures:?}");
    assert!(error.contains("/train-images-idx3-ubyte.gz"), "{error}");
}

#[test]
fn an_unreachable_server_is_an_error_not_a_hang() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error =
        fetch("mnist", dir.path(), Some(&format!("http://127.0.0.1:{port}")), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("could not be downloaded"), "{error}");
}

#[test]
fn made_data_sets_are_not_downloaded() {
    let dir = tempfile::tempdir().unwrap();
    let error = fetch("glyphs", dir.path(), None, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("glyphs"), "{error}");
}
