//go:build tools

// Package components names the programs that the testbed builds from this module.
package components

import (
	_ "github.com/google/go-containerregistry/cmd/crane"
)
