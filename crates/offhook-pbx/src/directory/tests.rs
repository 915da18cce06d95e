//! Changes as those see them who read, the switch, subscribers, and the next start.

use offhook_sip::DigestAlgorithm;
use tokio::sync::{broadcast, mpsc};

use super::*;
use crate::extension::RecordPermissions;
use crate::notice::{Audience, Fact, Notice};
use crate::store::Photo;
use crate::store::tests::Dir;

/// A directory, and the others of whom it takes the part.
struct Fixture {
    directory: Directory,
    changes: mpsc::UnboundedReceiver<SwitchChange>,
    notices: broadcast::Receiver<Notice>,
}

impl Fixture {
    async fn open(dir: &Dir, config: &PbxConfig) -> Self {
        let store = Store::open(Some(dir.path())).expect("opened");
        let (core, mut inbox) = mpsc::channel(8);
        let (seen, changes) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(message) = inbox.recv().await {
                let ToCore::Directory { change, done } = message else { panic!("{message:?}") };
                let _ = seen.send(change);
                let _ = done.send(());
            }
        });
        let hub = Notices::new();
        let notices = hub.subscribe();
        let directory = Directory::open(config, store, core, hub).await.expect("read");
        Self { directory, changes, notices }
    }

    async fn change(&self, change: Change) {
        self.directory.change(change, || ()).await.expect("changed");
    }

    fn facts(&mut self) -> Vec<(Audience, Fact)> {
        let mut facts = Vec::new();
        while let Ok(Notice { to, fact }) = self.notices.try_recv() {
            facts.push((to, fact));
        }
        facts
    }

    fn switched(&mut self) -> Vec<SwitchChange> {
        std::iter::from_fn(|| self.changes.try_recv().ok()).collect()
    }

    async fn close(self) {
        self.directory.store().close().await;
    }
}

fn config() -> PbxConfig {
    let conferences = vec![crate::features::Conference::new("7777", "Monday round")];
    let extensions =
        vec![Extension::new("1000", "Ada", "correct horse"), Extension::new("1001", "Ben", "battery staple")];
    PbxConfig { extensions, conferences, ..PbxConfig::default() }
}

/// What a phone registers with.
fn ha1(fixture: &Fixture, number: &str) -> Option<String> {
    let extension = fixture.directory.extension(number)?;
    Some(extension.ha1(DigestAlgorithm::Md5, fixture.directory.realm())?.expose().to_owned())
}

fn of(number: &str, fact: Fact) -> (Audience, Fact) {
    (Audience::Extension(number.to_owned()), fact)
}

fn update(number: &str, change: ExtensionChange) -> Change {
    Change::Update(number.to_owned(), change)
}

fn numbers(directory: &Directory) -> Vec<String> {
    directory.now().extensions().map(|extension| extension.number().to_owned()).collect()
}

#[tokio::test]
async fn each_change_of_an_extension_is_told_to_it_alone() {
    let dir = Dir::new();
    let mut fixture = Fixture::open(&dir, &config()).await;
    let none = ExtensionChange::default;
    let cases = [
        (
            ExtensionChange { record: Some(RecordPermissions::None), ..none() },
            Some(Fact::RecordPermissions(RecordPermissions::None)),
        ),
        (ExtensionChange { call_waiting: Some(false), ..none() }, Some(Fact::CallWaiting(false))),
        (ExtensionChange { web_client: Some(false), ..none() }, Some(Fact::WebClient(false))),
        (ExtensionChange { desktop_client: Some(false), ..none() }, Some(Fact::DesktopClient(false))),
        (ExtensionChange { password: Some("another horse".into()), ..none() }, Some(Fact::Registration)),
        (ExtensionChange { enabled: Some(false), ..none() }, Some(Fact::ExtensionDeleted)),
        // It is off: there is nobody to tell.
        (ExtensionChange { web_client: Some(true), ..none() }, None),
        (ExtensionChange { enabled: Some(true), ..none() }, None),
        (ExtensionChange { name: Some("Adah".to_owned()), ..none() }, None),
        (none(), None),
    ];
    for (change, fact) in cases {
        fixture.change(update("1000", change.clone())).await;
        let expected: Vec<_> = fact.map(|fact| of("1000", fact)).into_iter().collect();
        assert_eq!(fixture.facts(), expected, "{change:?}");
    }
    fixture.change(Change::Delete("1000".to_owned())).await;
    assert_eq!(fixture.facts(), [of("1000", Fact::ExtensionDeleted)]);
    assert_eq!(fixture.directory.now().extension("1001").map(Extension::name), Some("Ben"));
}

#[tokio::test]
async fn the_switch_knows_a_change_when_it_is_made() {
    let dir = Dir::new();
    let mut fixture = Fixture::open(&dir, &config()).await;
    fixture
        .change(update("1000", ExtensionChange { password: Some("another horse".into()), ..Default::default() }))
        .await;
    let [SwitchChange::Extension { number, extension: Some(extension), is_other_password: true, is_deleted: false }] =
        &fixture.switched()[..]
    else {
        panic!("no new password");
    };
    assert_eq!(number, "1000");
    let expected = offhook_sip::ha1(DigestAlgorithm::Md5, "1000", "localhost", &"another horse".into());
    let given = extension.ha1(DigestAlgorithm::Md5, "localhost").expect("a hash");
    assert_eq!(given.expose(), expected.expose());
    assert!(extension.password().is_none(), "the password itself is not kept");
    assert_eq!(ha1(&fixture, "1000").as_deref().expect("a hash"), expected.expose());

    fixture.change(update("1000", ExtensionChange { enabled: Some(false), ..Default::default() })).await;
    let off = fixture.switched();
    assert!(matches!(off[..], [SwitchChange::Extension { extension: None, .. }]), "off is not there");
    assert!(fixture.directory.extension("1000").is_none() && ha1(&fixture, "1000").is_none());
    assert!(fixture.directory.now().extension("1000").is_some(), "but it is kept");
}

#[tokio::test]
async fn what_was_changed_wins_over_the_configuration_until_it_is_reset() {
    let dir = Dir::new();
    let fixture = Fixture::open(&dir, &config()).await;
    fixture.change(update("1000", ExtensionChange { name: Some("Adah".to_owned()), ..Default::default() })).await;
    fixture.change(Change::Delete("1001".to_owned())).await;
    fixture.change(Change::Add(Extension::new("1002", "Cleo", "purple monkey"))).await;
    let id = fixture.directory.now().id("1000");
    assert!(id.is_some());
    fixture.close().await;

    // The configuration has changed meanwhile.
    let mut later = config();
    later.extensions[0] = Extension::new("1000", "Adele", "correct horse");
    later.extensions.push(Extension::new("1003", "Dan", "dishwasher!"));
    let fixture = Fixture::open(&dir, &later).await;
    assert_eq!(numbers(&fixture.directory), ["1000", "1002", "1003"]);
    let name = |fixture: &Fixture| fixture.directory.extension("1000").map(|extension| extension.name().to_owned());
    assert_eq!(name(&fixture).as_deref(), Some("Adah"));
    assert_eq!(fixture.directory.now().id("1000"), id);
    let expected = offhook_sip::ha1(DigestAlgorithm::Md5, "1002", "localhost", &"purple monkey".into());
    assert_eq!(ha1(&fixture, "1002").as_deref().expect("a hash"), expected.expose());

    for number in ["1000", "1001", "1002"] {
        fixture.change(Change::Reset(number.to_owned())).await;
    }
    assert_eq!(numbers(&fixture.directory), ["1000", "1001", "1003"]);
    assert_eq!(name(&fixture).as_deref(), Some("Adele"));
    fixture.close().await;
    assert_eq!(numbers(&Fixture::open(&dir, &config()).await.directory), ["1000", "1001"]);
}

#[tokio::test]
async fn a_change_that_is_refused_changes_nothing() {
    let dir = Dir::new();
    let mut fixture = Fixture::open(&dir, &config()).await;
    let unknown = || DirectoryError::Unknown("4242".to_owned());
    let none = ExtensionChange::default;
    let refuse = |change: Change| {
        let directory = fixture.directory.clone();
        async move { directory.change(change, || ()).await.expect_err("refused") }
    };
    assert_eq!(refuse(update("4242", none())).await, unknown());
    assert_eq!(refuse(Change::Delete("4242".to_owned())).await, unknown());
    assert_eq!(refuse(Change::Reset("4242".to_owned())).await, unknown());
    assert_eq!(refuse(Change::Photo("4242".to_owned(), None)).await, unknown());
    let twice = Change::Add(Extension::new("1000", "", "correct horse"));
    assert_eq!(refuse(twice).await, DirectoryError::Exists("1000".to_owned()));
    for (number, name, password) in
        [("600", "", "x"), ("7777", "", "x"), ("a b", "", "x"), ("2000", "a\nb", "x"), ("2000", "", "")]
    {
        let error = refuse(Change::Add(Extension::new(number, name, password))).await;
        assert!(matches!(error, DirectoryError::Invalid(_)), "{error:?}");
    }
    let empty = ExtensionChange { password: Some("".into()), ..none() };
    assert!(matches!(refuse(update("1000", empty)).await, DirectoryError::Invalid(_)));
    for change in [
        SettingsChange { record_feature_code: Some("x".to_owned()), ..Default::default() },
        SettingsChange { fqdn_domain: Some("no host".to_owned()), ..Default::default() },
        SettingsChange { turn_port: Some(0), ..Default::default() },
    ] {
        assert!(matches!(refuse(Change::Settings(change)).await, DirectoryError::Invalid(_)));
    }
    assert!(fixture.facts().is_empty() && fixture.switched().is_empty());
    assert_eq!(numbers(&fixture.directory), ["1000", "1001"]);
}

#[tokio::test]
async fn beyond_loopback_a_known_password_is_refused_at_run_time_too() {
    let dir = Dir::new();
    let exposed = PbxConfig { bind: "192.0.2.7".parse().expect("an address"), ..config() };
    let fixture = Fixture::open(&dir, &exposed).await;
    for password in ["secret-1000", "short"] {
        let change = ExtensionChange { password: Some(password.into()), ..Default::default() };
        let refused = fixture.directory.change(update("1000", change), || ()).await;
        assert_eq!(refused, Err(DirectoryError::WeakPassword("1000".to_owned())));
    }
    let add = Change::Add(Extension::new("1002", "", "secret-1002"));
    assert_eq!(fixture.directory.change(add, || ()).await, Err(DirectoryError::WeakPassword("1002".to_owned())));
    // What has no new password is not asked about it.
    fixture.change(update("1000", ExtensionChange { call_waiting: Some(false), ..Default::default() })).await;
}

#[tokio::test]
async fn settings_are_told_to_all_and_kept() {
    let dir = Dir::new();
    let mut fixture = Fixture::open(&dir, &config()).await;
    fixture
        .change(Change::Settings(SettingsChange {
            record_feature_code: Some("*9".to_owned()),
            enable_nat_fqdn: Some(true),
            fqdn_domain: Some("pbx.example".to_owned()),
            internal_client: Some(false),
            video_service: Some(false),
            ..Default::default()
        }))
        .await;
    let network = Fact::Network { enable_nat_fqdn: true, fqdn_domain: "pbx.example".to_owned(), turn_port: 11_009 };
    let told = [
        Fact::RecordFeatureCode("*9".to_owned()),
        network,
        Fact::Services { fqdn: true, video: false },
        Fact::InternalClient(false),
    ];
    assert_eq!(fixture.facts(), told.map(|fact| (Audience::All, fact)));
    assert!(matches!(&fixture.switched()[..], [SwitchChange::RecordFeatureCode(code)] if code == "*9"));
    fixture.close().await;

    let mut fixture = Fixture::open(&dir, &config()).await;
    let kept = fixture.directory.now();
    assert_eq!((kept.settings().record_feature_code.as_str(), kept.settings().enable_nat_fqdn), ("*9", true));
    fixture.change(Change::ResetSettings).await;
    assert_eq!(fixture.directory.now().settings(), &Settings::new(&crate::config::PbxConfig::default()));
    assert!(fixture.facts().contains(&(Audience::All, Fact::RecordFeatureCode("*1".to_owned()))));
}

#[tokio::test]
async fn a_photo_is_known_by_its_name_and_goes_with_its_extension() {
    let dir = Dir::new();
    let fixture = Fixture::open(&dir, &config()).await;
    let photo = Photo::new(b"\xff\xd8\xff\xe0".to_vec()).expect("a photo");
    fixture.change(Change::Photo("1000".to_owned(), Some(photo.clone()))).await;
    let name = fixture.directory.now().photo("1000").map(str::to_owned).expect("a name");
    assert_eq!(fixture.directory.store().photo(&name).await, Ok(Some(photo)));
    fixture.change(Change::Delete("1000".to_owned())).await;
    assert_eq!(fixture.directory.now().photo("1000"), None);
    assert_eq!(fixture.directory.store().photo(&name).await, Ok(None));
}

#[tokio::test]
async fn without_a_switch_a_change_is_kept_and_its_maker_knows() {
    let (core, inbox) = mpsc::channel(1);
    drop(inbox);
    let store = Store::open(None).expect("opened");
    let directory = Directory::open(&config(), store, core, Notices::new()).await.expect("read");
    assert_eq!(directory.change(Change::Delete("1000".to_owned()), || ()).await, Err(DirectoryError::Stopped));
    assert!(directory.extension("1000").is_none());
}

#[tokio::test]
async fn what_is_done_before_anybody_is_told_is_done_before_and_after_the_change_is_found() {
    let dir = Dir::new();
    let fixture = Fixture::open(&dir, &config()).await;
    let before = ha1(&fixture, "1000");
    let found = std::sync::Mutex::new(Vec::new());
    let change =
        ExtensionChange { password: Some(offhook_sip::Secret::from("another horse")), ..ExtensionChange::default() };
    let look = || found.lock().expect("whole").push(ha1(&fixture, "1000"));
    fixture.directory.change(update("1000", change), look).await.expect("changed");
    let after = ha1(&fixture, "1000");
    assert_ne!(before, after);
    assert_eq!(*found.lock().expect("whole"), [before, after]);
    fixture.close().await;
}
