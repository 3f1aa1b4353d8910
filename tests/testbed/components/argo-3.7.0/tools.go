//go:build tools

// Package components names the programs that the testbed builds from this module.
package components

import (
	_ "github.com/argoproj/argo-workflows/v3/cmd/workflow-controller"
	_ "github.com/argoproj/argo-workflows/v3/cmd/argoexec"
)
