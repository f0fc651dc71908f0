//! The instruments of these tests do what they say: a claim about the agent is worth no more than the backend that it rests on.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use crate::otlp_server::{Answer, OtlpServer, Port, Reply};
use crate::stand_ins::{BlackHole, DropsSyns, Says};

fn export(endpoint: &str) -> Result<Response<ExportMetricsServiceResponse>, Status> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let channel = tonic::transport::Endpoint::from_shared(endpoint.to_owned())
            .unwrap()
            .timeout(Duration::from_secs(1));
        let channel = channel
            .connect()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        MetricsServiceClient::new(channel)
            .export(ExportMetricsServiceRequest::default())
            .await
    })
}

#[test]
fn the_backend_answers_by_its_script_and_keeps_what_came() {
    let server = OtlpServer::started();
    server.answer(|index, _| match index {
        0 => Answer::ok(),
        1 => Answer::partial(2, "two bad"),
        2 => Answer::refuse_for(Code::ResourceExhausted, "wait", Duration::from_secs(7)),
        3 => Answer::refuse(Code::InvalidArgument, "bad"),
        _ => Answer::never(),
    });
    assert_eq!(
        export(&server.endpoint())
            .unwrap()
            .into_inner()
            .partial_success,
        None
    );
    let partial = export(&server.endpoint())
        .unwrap()
        .into_inner()
        .partial_success
        .unwrap();
    assert_eq!(
        (partial.rejected_data_points, partial.error_message.as_str()),
        (2, "two bad")
    );
    let refused = export(&server.endpoint()).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(
        refused.get_details_retry_info().unwrap().retry_delay,
        Some(Duration::from_secs(7))
    );
    assert_eq!(export(&server.endpoint()).unwrap_err().message(), "bad");
    assert!(matches!(
        export(&server.endpoint()).unwrap_err().code(),
        Code::Cancelled | Code::DeadlineExceeded
    ));

    let received = server.received();
    assert_eq!(received.len(), 5);
    assert!(received[0].headers.contains_key("user-agent"));
    assert_eq!(received[0].reply, Some(Reply::Ok));
    assert_eq!(
        received[4].reply, None,
        "an answer that was never given is not one"
    );
    assert_eq!(server.accepted().len(), 2);
}

#[test]
fn a_stopped_backend_refuses_and_cuts_connections_and_comes_back_on_its_port() {
    let mut server = OtlpServer::started();
    let mut client = TcpStream::connect(server.port().address()).unwrap();
    client
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    server.stop();
    let ended = client.read_to_end(&mut Vec::new());
    assert!(ended.is_ok() || ended.unwrap_err().kind() == ErrorKind::ConnectionReset);
    let refused = TcpStream::connect(server.port().address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    server.start();
    export(&server.endpoint()).unwrap();
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_black_hole_accepts_and_is_silent() {
    let port = Port::reserve();
    let hole = BlackHole::on(&port);
    let mut client = TcpStream::connect(port.address()).unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    client.write_all(b"anybody there?").unwrap();
    assert_eq!(
        client.read(&mut [0; 1]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    drop(hole);
    let refused = TcpStream::connect(port.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_full_backlog_lets_a_connect_hang() {
    let port = Port::reserve();
    let _wall = DropsSyns::on(&port);
    let began = Instant::now();
    let hung = TcpStream::connect_timeout(&port.address(), Duration::from_millis(400)).unwrap_err();
    assert_eq!(hung.kind(), ErrorKind::TimedOut);
    assert!(began.elapsed() >= Duration::from_millis(400));
}

#[test]
fn the_other_protocols_say_what_their_servers_say() {
    let answer = |port: &Port, first: &[u8]| {
        let mut client = TcpStream::connect(port.address()).unwrap();
        client.write_all(first).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        answer
    };
    let clear = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let alert = [0x15, 3, 1, 0, 2, 2, 0x46];
    let port = Port::reserve();
    let tls = Says::tls_alert(&port);
    assert_eq!(answer(&port, clear), alert);
    drop(tls);
    let mute = Says::tls_alert_to_tls_only(&port);
    assert_eq!(answer(&port, clear), b"");
    assert_eq!(answer(&port, b"\x16\x03\x01"), alert);
    drop(mute);
    let _http = Says::http_1(&port);
    assert!(answer(&port, clear).starts_with(b"HTTP/1.1 400 "));
}
