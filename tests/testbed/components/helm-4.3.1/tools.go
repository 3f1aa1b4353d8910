//go:build tools

// Package components names the programs that the testbed builds from this module.
package components

import (
	_ "helm.sh/helm/v4/cmd/helm"
)
