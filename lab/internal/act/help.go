package act

import (
	"fmt"
	"strings"
)

const who = `WHO is a process (consumer-1), a kind (consumer: one of them by chance),
"every consumer", or a server (rabbitmq).`

// usage is an act and the words behind it.
func (a Act) usage() string { return strings.TrimSpace(a.Name + " " + a.Words) }

// summary is what the act does, in one line.
func (a Act) summary() string {
	if a.Proxy {
		return a.Help + " (-proxy)"
	}
	return a.Help
}

// Manual is the help of one act.
func (a Act) Manual() string {
	text := a.usage() + "\n  " + a.Help
	if a.Proxy {
		text += "\n  The run needs a proxy: go run ./lab run -proxy 07"
	}
	if a.Like != "" {
		text += "\n  For example: go run ./lab do " + a.Like
	}
	if strings.Contains(a.Words, "WHO") {
		text += "\n" + who
	}
	return text
}

// Help lists all acts.
func Help() string {
	var b strings.Builder
	for _, a := range all {
		fmt.Fprintf(&b, "  %-26s %s\n", a.usage(), a.summary())
	}
	return b.String() + who
}

// Keys are the keys of a run whose work is done by processes of the kind worker, and whose first
// server that the lab may restart is server; "" is none.
func Keys(worker, server string) []Key {
	fill := strings.NewReplacer("WORKER", worker, "SERVER", server)
	var keys []Key
	for _, a := range all {
		for _, k := range a.Keys {
			if server == "" && strings.Contains(k.Act, "SERVER") {
				continue
			}
			k.Act, k.Short, k.Help = fill.Replace(k.Act), fill.Replace(k.Short), fill.Replace(k.Help)
			keys = append(keys, k)
		}
	}
	return keys
}
