package async

import (
	"fmt"
	"os"
	"runtime/debug"
	"testing"
)

// resident is the memory that this process has from the system right now, after
// what is not needed was given back. The kernel's own part, such as the stack of
// 16 KB that it keeps for every thread, is not in it.
func resident(b *testing.B) float64 {
	b.Helper()
	debug.FreeOSMemory()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(raw), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return float64(pages * os.Getpagesize())
}
