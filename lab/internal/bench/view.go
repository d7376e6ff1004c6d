package bench

// ProcessView is one process as it is at a moment.
type ProcessView struct {
	Name     string
	Kind     string
	State    string // up, coming, paused or down
	Impaired bool   // its connections are cut or slow
}

// ServerView is one server of the run as it is at a moment.
type ServerView struct {
	Name  string
	Up    bool // no act has ended or paused it
	Owned bool // the lab may break it
}

var stateNames = map[state]string{down: "down", coming: "coming", up: "up", paused: "paused"}

// Processes are the processes of the run, in the order of their start.
func (s *supervisor) Processes() []ProcessView {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []ProcessView
	for _, p := range s.procs {
		all = append(all, ProcessView{
			Name: p.name, Kind: p.kind.Name, State: stateNames[p.state], Impaired: s.wire.impaired(p.name),
		})
	}
	return all
}

// Servers are the servers of the run.
func (f *faults) Servers() []ServerView {
	var all []ServerView
	for _, s := range f.servers {
		all = append(all, ServerView{s.Name(), s.Running() && !s.Hangs(), s.Owned()})
	}
	return all
}
