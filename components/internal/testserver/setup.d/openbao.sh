# OpenBao is in no package archive and takes minutes to build. A new version is a new name here and in vault.go.
build bao-2.4.0 openbao github.com/openbao/openbao
