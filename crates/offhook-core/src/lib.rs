//! offhook-core
