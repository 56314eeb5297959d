# FerretDB speaks MongoDB's protocol; of MongoDB itself there is no package. A new version, or a change of our
# own part, is a new name here and in ferretdb.go.
build ferretdb-1.24.2 ferretdb .
