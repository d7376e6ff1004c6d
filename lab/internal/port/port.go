// Package port finds local ports for servers and processes.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
)

// Shop is where the pages say that the shop is.
const Shop = 8080

// Ports are taken below the range from which systems number outgoing connections (32768 on
// Linux, 49152 elsewhere). A port that listening on :0 gives lies in that range, and there a
// client that keeps dialling a stopped server can get the server's own port as its local one
// and connect to itself, after which the server cannot come back.
const firstPort, lastPort = 20000, 32000

// taken remembers what this process handed out: between the choice and the server's listening
// nothing else would keep a second choice from the same port.
var taken struct {
	sync.Mutex
	ports map[int]bool
}

// Free returns n local ports on which nothing listens. Another process may still take one
// before the server does: a start that fails for it is tried again with other ports.
func Free(n int) ([]int, error) {
	taken.Lock()
	defer taken.Unlock()
	if taken.ports == nil {
		taken.ports = map[int]bool{}
	}
	var ports []int
	for try := 0; len(ports) < n; try++ {
		if try > 1000 {
			return nil, errors.New("no free local port found")
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		if taken.ports[port] || !IsFree(port) {
			continue
		}
		taken.ports[port] = true
		ports = append(ports, port)
	}
	return ports, nil
}

// IsFree says whether nothing listens on the port now.
func IsFree(port int) bool {
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// Claim takes the given port for this process, if nothing listens on it and no other lab on
// this machine has claimed it: between the choice and the program's listening, and while the
// program is down, nothing else would keep a second lab from it. The system gives a claim back
// when its holder ends; the returned function does before.
func Claim(port int) (release func() error, ok bool) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("course-lab-port-%d.lock", port))
	flags := os.O_CREATE | os.O_RDONLY
	if _, err := os.Stat(path); err == nil {
		flags = os.O_RDONLY // Linux refuses O_CREATE on another user's file there
	}
	lock := flock.New(path, flock.SetFlag(flags), flock.SetPermissions(0o644))
	if got, err := lock.TryLock(); err != nil || !got {
		return nil, false
	}
	if !IsFree(port) {
		// Should giving it back fail, it is given back when this process ends.
		_ = lock.Unlock()
		return nil, false
	}
	return lock.Unlock, true
}
