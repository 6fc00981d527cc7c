//! A server is replaced under some hundred clients: nobody is refused, no message is missing without a reason.

use channels_chaos::deploy::{Form, run};

#[tokio::main]
#[test]
async fn nobody_is_refused_and_no_message_is_lost_in_silence() {
    let form = Form::quick(env!("CARGO_BIN_EXE_channels-chaos").into());
    let report = run(&form).await;
    assert!(report.failures().is_empty(), "{report}");
    assert_eq!(report.back, form.clients);
    // What is to happen has happened: messages, and clients that were away meanwhile.
    assert!(report.account.got > 1000 && report.account.away > 100, "{report}");
}
