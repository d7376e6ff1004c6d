// Package port finds local ports for servers and processes.
package port

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
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

// block is how many ports a process takes for itself at a time.
const block = 16

// mine are the ports that this process has for itself and has not handed out yet. Nobody else may
// get one as long as this process lives, even while nothing listens there: the clients of a server
// that was killed would be served by a stranger, and believe it.
var mine struct {
	sync.Mutex
	left  []int
	locks []*flock.Flock
}

// Free returns n local ports on which nothing listens, and which no other lab of this machine gets
// before this process ends. A program that asks no lab may still take one before the server does:
// a start that fails for it is tried again with other ports.
func Free(n int) ([]int, error) {
	mine.Lock()
	defer mine.Unlock()
	var ports []int
	for len(ports) < n {
		if len(mine.left) == 0 {
			if err := takeBlock(); err != nil {
				return nil, err
			}
		}
		if IsFree(mine.left[0]) {
			ports = append(ports, mine.left[0])
		}
		mine.left = mine.left[1:]
	}
	return ports, nil
}

// takeBlock takes more ports. The system gives them back when this process ends.
func takeBlock() error {
	const blocks = (lastPort - firstPort) / block
	for _, i := range rand.Perm(blocks) {
		first := firstPort + i*block
		lock := lockOf(fmt.Sprintf("%d-%d", first, first+block-1))
		if got, err := lock.TryLock(); err != nil || !got {
			continue
		}
		mine.locks = append(mine.locks, lock) // or it would be closed, and given back
		for p := first; p < first+block; p++ {
			mine.left = append(mine.left, p)
		}
		return nil
	}
	return fmt.Errorf("no local port is free: other labs have all from %d to %d, "+
		"or %s cannot be written to", firstPort, lastPort, os.TempDir())
}

// lockOf is the lock of a port, or of several. Nobody has it yet.
func lockOf(ports string) *flock.Flock {
	path := filepath.Join(os.TempDir(), "course-lab-port-"+ports+".lock")
	flags := os.O_CREATE | os.O_RDONLY
	if _, err := os.Stat(path); err == nil {
		flags = os.O_RDONLY // Linux refuses O_CREATE on another user's file there
	}
	return flock.New(path, flock.SetFlag(flags), flock.SetPermissions(0o644))
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
	lock := lockOf(strconv.Itoa(port))
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
