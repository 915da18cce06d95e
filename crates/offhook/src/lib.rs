//! offhook
