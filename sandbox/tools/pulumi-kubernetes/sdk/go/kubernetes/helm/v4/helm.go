// Package v4 has the types that the provider's Chart names. Charts do not work with them.
package v4

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// RepositoryOpts locates a repository of charts.
type RepositoryOpts struct {
	CaFile   pulumi.AssetOrArchive
	CertFile pulumi.AssetOrArchive
	KeyFile  pulumi.AssetOrArchive
	Password *string
	Repo     *string
	Username *string
}

// RepositoryOptsInput is an input of type RepositoryOpts.
type RepositoryOptsInput interface{ pulumi.Input }

// PostRenderer is a command that processes rendered manifests.
type PostRenderer struct {
	Args    []string
	Command string
}

// PostRendererInput is an input of type PostRenderer.
type PostRendererInput interface{ pulumi.Input }
