//! What handles read without asking the phone's task.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use offhook_core::{CallId, IceServer, Phone as Core, PhoneConfig, PhoneEvent, RecordPermissions};

use super::{Call, PbxShared};
use crate::hub::Hub;
use crate::session::Session;

/// What handles read without asking the task.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) events: Hub<PhoneEvent>,
    pub(crate) incoming: Hub<Session>,
    /// Of a phone that came with a PBX.
    pub(crate) pbx: Option<Arc<PbxShared>>,
    /// The phone takes no commands any more, while its PBX does.
    destroyed: AtomicBool,
    /// What it was made with, without what is secret.
    pub(crate) config: PhoneConfig,
    registered: AtomicBool,
    video_plan: AtomicBool,
    record_permissions: AtomicU8,
    max_call: AtomicBool,
    none_camera: AtomicBool,
    calls: Mutex<Vec<Arc<Call>>>,
    current: Mutex<Option<CallId>>,
}

impl Shared {
    pub(crate) fn new(core: &Core) -> Arc<Self> {
        Arc::new(Self {
            events: Hub::new(),
            incoming: Hub::new(),
            pbx: core.pbx().map(|operator| Arc::new(PbxShared::new(operator))),
            destroyed: AtomicBool::new(false),
            config: PhoneConfig {
                seed: [0; 32].into(),
                credentials: None,
                // At a P-Series PBX they have its token.
                register_headers: Vec::new(),
                // Without what proves who we are to a TURN server.
                ice_servers: core.config().ice_servers.iter().cloned().map(without_credential).collect(),
                ..core.config().clone()
            },
            registered: AtomicBool::new(false),
            video_plan: AtomicBool::new(core.video_plan()),
            record_permissions: AtomicU8::new(core.record_permissions() as u8),
            max_call: AtomicBool::new(core.is_max_call()),
            none_camera: AtomicBool::new(core.is_none_camera()),
            calls: Mutex::default(),
            current: Mutex::default(),
        })
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Acquire)
    }

    pub(crate) fn is_destroyed(&self) -> bool {
        self.destroyed.load(Ordering::Acquire)
    }

    pub(crate) fn video_plan(&self) -> bool {
        self.video_plan.load(Ordering::Acquire)
    }

    pub(crate) fn record_permissions(&self) -> RecordPermissions {
        RecordPermissions::from_number(self.record_permissions.load(Ordering::Acquire)).unwrap_or_default()
    }

    pub(crate) fn is_max_call(&self) -> bool {
        self.max_call.load(Ordering::Acquire)
    }

    pub(crate) fn is_none_camera(&self) -> bool {
        self.none_camera.load(Ordering::Acquire)
    }

    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.calls().iter().map(|call| Session::new(Arc::clone(call))).collect()
    }

    pub(crate) fn current(&self) -> Option<CallId> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What handles see of an event.
    pub(super) fn note(&self, event: &PhoneEvent) {
        match event {
            PhoneEvent::IsRegisteredChange { is_registered } => {
                self.registered.store(*is_registered, Ordering::Release);
            }
            PhoneEvent::RecordPermissionsChange { record_permissions } => {
                self.record_permissions.store(*record_permissions as u8, Ordering::Release);
            }
            PhoneEvent::VideoPlanChange { video_plan } => self.video_plan.store(*video_plan, Ordering::Release),
            _ => {}
        }
    }

    pub(super) fn refresh(&self, core: &Core) {
        self.max_call.store(core.is_max_call(), Ordering::Release);
        self.none_camera.store(core.is_none_camera(), Ordering::Release);
        self.set_current(core.current_session_id());
    }

    fn set_current(&self, current: Option<&CallId>) {
        let mut known = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() != current {
            *known = current.cloned();
        }
    }

    /// Nobody hears anything any more.
    pub(super) fn silence(&self) {
        self.silence_phone();
        if let Some(pbx) = &self.pbx {
            pbx.events.silence();
        }
    }

    /// The phone takes no commands any more, and nobody hears anything of it.
    pub(super) fn destroy_phone(&self) {
        self.destroyed.store(true, Ordering::Release);
        self.silence_phone();
    }

    fn silence_phone(&self) {
        self.events.silence();
        self.incoming.silence();
        let calls = self.calls().clone();
        for call in calls {
            call.events().silence();
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(&self) {
        self.events.finish();
        self.incoming.finish();
        if let Some(pbx) = &self.pbx {
            pbx.events.finish();
        }
    }

    pub(super) fn call(&self, call_id: &CallId) -> Option<Arc<Call>> {
        self.calls().iter().find(|call| call.id() == call_id).cloned()
    }

    pub(super) fn add_call(&self, call: Arc<Call>) {
        self.calls().push(call);
    }

    /// The call is over: handles see it no more.
    pub(super) fn take_call(&self, call_id: &CallId) -> Option<Arc<Call>> {
        let mut calls = self.calls();
        let index = calls.iter().position(|call| call.id() == call_id)?;
        Some(calls.remove(index))
    }

    pub(super) fn take_calls(&self) -> Vec<Arc<Call>> {
        std::mem::take(&mut *self.calls())
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Arc<Call>>> {
        // Only pushes, searches and removals happen under the lock, and no call is dropped: that may run the user's code,
        // which may come back here.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn without_credential(server: IceServer) -> IceServer {
    IceServer { credential: None, ..server }
}
