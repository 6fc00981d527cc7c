use channels_tests::redis::{RedisServer, Sentinels, eventually};

async fn follows(replica: &RedisServer, master: &RedisServer) {
    eventually("it follows the master", || {
        // A Sentinel that changes a role ends all connections.
        let role = replica.try_command(&["ROLE"]).ok()?;
        let role = role.list();
        let right = role[0].text() == "slave" && role[2].integer() == i64::from(master.address().port());
        (right && role[3].text() == "connected").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_replica_becomes_the_master_when_it_is_told() {
    let sentinels = Sentinels::start(1);
    let [first, second, third] = sentinels.sentinels() else { panic!("three Sentinels") };
    let addresses = format!("{},{},{}", first.address(), second.address(), third.address());
    assert_eq!(sentinels.url(), format!("redis+sentinel://{addresses}/mymaster"));
    let old = sentinels.master();
    assert_eq!(old.pid(), sentinels.servers()[0].pid());
    let mut connection = old.connect().unwrap();
    connection.ask(&["SET", "name", "ada"]).unwrap();
    assert_eq!(connection.ask(&["WAIT", "1", "4000"]).unwrap().integer(), 1);
    let new = sentinels.failover().await;
    assert_eq!(new.pid(), sentinels.servers()[1].pid());
    assert_eq!(new.command(&["GET", "name"]).text(), "ada");
    follows(old, new).await;
    assert_eq!(sentinels.failover().await.pid(), old.pid());
}

#[tokio::test]
async fn a_replica_becomes_the_master_when_that_is_killed() {
    let sentinels = Sentinels::start(2);
    let old = sentinels.kill_master();
    let new = sentinels.master_after(old).await;
    assert_eq!(sentinels.master().address(), new.address());
    assert_eq!(sentinels.replicas().count(), 2);
    let [killed, ..] = sentinels.servers() else { panic!("a first server") };
    killed.restart();
    follows(killed, new).await;
}

#[tokio::test]
async fn servers_with_a_password_are_watched_too() {
    let sentinels = Sentinels::with(RedisServer::options().user("chat", "se \"cret"), 1);
    assert!(sentinels.url().starts_with("redis+sentinel://chat:se%20%22cret@127.0.0.1:"));
    let old = sentinels.master().address();
    assert_ne!(sentinels.failover().await.address(), old);
}
