package deployment

// variant is a wrong way to deploy, each a small change to the right one.
type variant struct {
	notReady   bool // traffic before a replica can serve
	noDrain    bool // SIGKILL, with orders in progress
	onDatabase bool // a replica calls itself dead while the database is away
}

var variants = map[string]variant{
	"": {}, "right": {},
	"stop-all":                 {}, // right code with the strategy stop-and-start, see lab.yaml
	"no-readiness":             {notReady: true},
	"no-drain":                 {noDrain: true},
	"liveness-on-the-database": {onDatabase: true},
}
