// Command pulumi-resource-kubernetes is the real provider. The main package that
// its authors publish embeds generated files that are not part of the Go module,
// so this one serves the same provider with the smallest schema it accepts. Its
// component resources for Helm charts do not work: see sdk/go.mod.
package main

import (
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

const version = "4.25.0"

func main() {
	schema := []byte(`{"name":"kubernetes","version":"` + version + `"}`)
	provider.Serve("kubernetes", version, schema, []byte("{}"))
}
