package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/12-actors/engine"
)

func TestStreams(t *testing.T) {
	for variant, want := range map[string]string{
		"right":                  "emitted\n  Auditor/42: activated, 4\n  Mailer/42: activated, 4\n",
		"subscription-in-memory": "emitted\n  nobody got it\n",
	} {
		t.Run(variant, func(t *testing.T) {
			if out := shown(t, "streams", variant); !strings.HasSuffix(out, want) {
				t.Errorf("did not end with %q:\n%s", want, out)
			}
		})
	}
}

func TestImplicit(t *testing.T) {
	t.Parallel()
	for stream, want := range map[string]string{
		"orders/42":   "Mailer/42 Auditor/42",
		"orders/a/b":  "Mailer/a/b Auditor/a/b",
		"payments/42": "", // a namespace that nobody consumes
	} {
		all, err := Orders.Get(t.Context(), stream)
		if err != nil {
			t.Errorf("%s: %v", stream, err)
		}
		var got []string
		for _, s := range all.GetSubscribers() {
			got = append(got, engine.Key(
				s.GetClusterIdentity().GetKind(), s.GetClusterIdentity().GetIdentity()))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s goes to %v, want %s", stream, got, want)
		}
	}
	for _, bad := range []string{"", "orders", "orders/"} {
		if _, err := Orders.Get(context.Background(), bad); err == nil {
			t.Errorf("the stream %q has a name", bad)
		}
	}
}

// Each stream has consumers of its own, and each of these gets the events of its
// stream, all of them, in their order.
func TestStreamsDoNotMix(t *testing.T) {
	diary := &Diary{}
	silo := engine.StartSilo(streamKinds(diary, Orders)...)
	defer engine.Stop(silo)
	const events = 50
	ids := []string{"1", "2", "3"}
	for range events {
		for _, id := range ids {
			_, err := GetProducerGrainClient(silo, id).Emit(&Produce{Count: 1},
				engine.Within(30*time.Second))
			if err != nil {
				t.Fatal(engine.Reason(err))
			}
		}
	}
	diary.full(2*len(ids), 1+events, 30*time.Second)
	for _, id := range ids {
		mailer, err := GetMailerGrainClient(silo, id).Look(&Nothing{}, engine.Within(timeout))
		if err != nil {
			t.Fatal(engine.Reason(err))
		}
		auditor, err := GetAuditorGrainClient(silo, id).Look(&Nothing{}, engine.Within(timeout))
		if err != nil {
			t.Fatal(engine.Reason(err))
		}
		for _, seen := range [][]int32{mailer.GetNumbers(), auditor.GetNumbers()} {
			if len(seen) != events || !slices.IsSorted(seen) || seen[0] != 1 {
				t.Errorf("stream %s arrived as %v", id, seen)
			}
		}
	}
}
