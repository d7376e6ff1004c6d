package services

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

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

// freePorts returns n local ports on which nothing listens. Another process may still take one
// before the server does: a start that fails for it is tried again with other ports.
func freePorts(n int) ([]int, error) {
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
		if taken.ports[port] || !portFree(port) {
			continue
		}
		taken.ports[port] = true
		ports = append(ports, port)
	}
	return ports, nil
}

func portFree(port int) bool {
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
