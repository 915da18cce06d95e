//! offhook-pbx
