module phoenix.invalid/sandbox/prometheus-operator

go 1.26.0

// Only its files are used, so `go mod tidy` would drop it: raise it with `go mod edit -require` and `go mod download`.
require github.com/prometheus-operator/prometheus-operator v0.93.1
