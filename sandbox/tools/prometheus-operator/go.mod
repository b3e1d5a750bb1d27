module phoenix.invalid/sandbox/prometheus-operator

go 1.26.0

// Only files of the module are used, so `go mod tidy` would remove it. To raise it: `go mod edit -require` and `go mod
// download`.
require github.com/prometheus-operator/prometheus-operator v0.93.1
