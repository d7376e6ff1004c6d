//go:build !linux

package async

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// resident is the memory that Go has from the system and not given back. Away
// from Linux that is all we can tell without help.
func resident(b *testing.B) float64 {
	b.Helper()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys - m.HeapReleased)
}
