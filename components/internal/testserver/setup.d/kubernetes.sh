# The API server is in no package archive and takes minutes to build; etcd, where it keeps its objects, is in one. A new
# version is a new name here and in kubernetes.go.
install etcd etcd-server etcd
build kube-apiserver-1.36.3 kubeapiserver k8s.io/kubernetes/cmd/kube-apiserver
