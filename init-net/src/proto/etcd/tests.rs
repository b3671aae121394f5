//! Campaigns against a model of etcd on a virtual clock.
