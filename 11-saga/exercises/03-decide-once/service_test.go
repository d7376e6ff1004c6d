//go:build exercise

package service

import (
	"strings"
	"testing"
)

func TestDecideOnce(t *testing.T) {
	cases := []struct {
		name  string
		told  string // do, undo; "more" brings one more piece
		stock int    // pieces in the beginning
		want  string // the answers
		left  int    // pieces in the end
	}{
		{"once", "do", 1, "done", 0},
		{"there is not enough", "do", 0, "refused", 0},
		{"done and undone", "do undo", 1, "done undone", 1},
		{"told twice", "do do", 2, "done done", 1},
		{"undone twice", "do undo undo", 1, "done undone undone", 1},
		{"refused, and told again when there is enough", "do more do", 0, "refused refused", 1},
		{"undo of what was refused", "do undo", 0, "refused undone", 0},
		{"undone first, and told late", "undo do", 1, "undone refused", 1},
		{"told again after it was undone", "do undo do", 1, "done undone refused", 1},
		{"all of it twice, in any order", "undo do undo do", 1, "undone refused undone refused", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			left := c.stock
			take := func(string) bool {
				if left == 0 {
					return false
				}
				left--
				return true
			}
			s := New(take, func(string) { left++ })
			var answers []string
			for _, word := range strings.Fields(c.told) {
				switch word {
				case "do":
					answers = append(answers, string(s.Do("an order")))
				case "undo":
					answers = append(answers, string(s.Undo("an order")))
				default:
					left++
				}
			}
			if got := strings.Join(answers, " "); got != c.want || left != c.left {
				t.Errorf("told %q, it answers %q and leaves %d on the shelf; want %q and %d",
					c.told, got, left, c.want, c.left)
			}
		})
	}
}

// One order is nothing to another.
func TestTwoOrders(t *testing.T) {
	taken := map[string]int{}
	s := New(func(order string) bool { taken[order]++; return true },
		func(order string) { taken[order]-- })
	s.Do("ada's")
	s.Undo("bob's")
	if answer := s.Do("eve's"); answer != Done || taken["ada's"] != 1 || taken["bob's"] != 0 {
		t.Errorf("eve's is %s; taken: %v", answer, taken)
	}
}
