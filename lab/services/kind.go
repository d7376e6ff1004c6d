package services

import (
	"context"
	"slices"
	"strings"
	"time"
)

// To add a kind of server, write a file like redis.go and add its entry here. The order is that
// in which people read them.
func init() {
	for _, t := range []trait{
		rabbitmq, mqtt, nats, postgres, redis, replicated, sentinel, etcd, jaeger, seq,
	} {
		traits[t.kind] = t
		kinds = append(kinds, t.kind)
	}
}

// Kind is a kind of server.
type Kind string

// Kinds lists all kinds in the order in which people read them.
func Kinds() []Kind { return slices.Clone(kinds) }

// Variable is the environment variable that names a server of this kind.
func (k Kind) Variable() string { return traits[k].env }

var (
	kinds  []Kind
	traits = map[Kind]trait{}
)

// trait is all that is known of a kind. The rest of the package treats all kinds alike.
type trait struct {
	kind  Kind
	title string // for people
	env   string // the variable that names a server of this kind
	// address is where a server answers that has these local ports.
	address func(ports []int) address
	// ports are where the compose file has it, the first being the one clients talk to.
	ports []int
	// several says that one need may ask for several nodes, cluster that they know each other then.
	several, cluster bool
	// apart says that `lab up` starts it only when it is named: few need it.
	apart bool

	// handshake talks the kind's own protocol to a server, credentials included, and returns the
	// server's version.
	handshake func(ctx context.Context, a address) (version string, err error)
	// joined says why a node that answers cannot yet do its part in the cluster; nil where nodes
	// are on their own.
	joined func(ctx context.Context, a address) error
	// named completes the address of a server that the environment names; nil where its URL is all.
	named func(ctx context.Context, a address) (address, error)
	// also returns more variables that programs need, besides env; nil where there are none. all
	// are the servers that a program is led to.
	also func(s *Server, all Servers) map[string]string
	// place makes a part of a server that bears the name and nobody else uses, and returns its URL;
	// nil where there are no such parts. remove takes it back; what is not there is no error.
	place  func(ctx context.Context, a address, name string) (url string, err error)
	remove func(ctx context.Context, a address, name string) error

	args []string // of every server, in a container or not
	// durable are the server's arguments for a need that is durable; nil where every server is. keeps
	// asks a server whether it is: the error says what the server may lose.
	durable []string
	keeps   func(ctx context.Context, a address) error

	// tool is the administrator's program that lies beside the server; empty where none is needed.
	tool string
	// boot bounds how long a start may take, on a slow machine that does other things too.
	boot time.Duration
	// native starts private instances; nil where the lab cannot.
	native *native
	// packages by package manager, for installing.
	packages map[string]string
	// image is pinned; the compose file has the same.
	image string
	// inside are the ports of a container, where they are not those of the compose file.
	inside []int
	// containerEnv is for a container that is started without compose.
	containerEnv []string
	// standIn makes something of the lab's own that takes the server's place; nil where there is
	// none.
	standIn func(ctx context.Context, c *Chain, need Need) (*Server, error)
	// judged says that experiments ask the stand-in what became of a run, which the real server
	// could not tell them: a private one is always the stand-in.
	judged bool
}

// address is where a server answers and how to log in.
type address struct {
	URL        string // what clients connect to
	Page       string // the page for people, empty where there is none
	Login      string // what to type there, empty where nothing is asked
	Management string // RabbitMQ's HTTP API; of the kind MQTT, where it speaks AMQP
}

// relays says whether relays can stand between the nodes.
func (t trait) relays() bool { return t.native != nil && t.native.reach }

// startSlack is how much longer than on its own a server may take while tests load the machine.
const startSlack = 2 * time.Minute

// usual is the address that the compose file gives a server.
func (t trait) usual() address { return t.address(t.ports) }

// container is what a container for the need is made of.
func (t trait) container(need Need, ports []int) Image {
	i := Image{Kind: t.kind, Name: t.image, Env: t.containerEnv, Inside: t.inside, Outside: ports}
	if i.Inside == nil {
		i.Inside = t.ports
	}
	i.Args = t.args
	if need.Durable {
		i.Args = slices.Concat(i.Args, t.durable)
	}
	return i
}

// kindOf is the kind of the server of that name, or "" when a process of that name is no server
// but only helps some.
func kindOf(name string) Kind {
	kind, _, _ := strings.Cut(name, "-")
	return traits[Kind(kind)].kind
}
