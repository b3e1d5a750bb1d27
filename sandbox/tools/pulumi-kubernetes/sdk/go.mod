// Replaces the Go SDK of the provider. The provider uses the SDK for its component resources only (ConfigGroup, ConfigFile
// and Chart), and Phoenix declares none of them. The real module is 25 MB of generated types: with it, the build takes
// half as long again, and the executable is 300 MB instead of 117 MB.
module github.com/pulumi/pulumi-kubernetes/sdk/v4

go 1.26

require github.com/pulumi/pulumi/sdk/v3 v3.220.0

