// Package verdict compares a new version with the old one.
package verdict

// Sample is how a version has answered while it was watched.
type Sample struct{ Answers, Errors int }

// The three answers.
const (
	Yes     = "yes"
	No      = "no"
	Unknown = "unknown"
)

const (
	enough  = 20  // answers, to say anything
	allowed = 0.1 // share of errors, beyond the old version's
)

// Verdict says whether the new version may have all orders.
func Verdict(fresh, old Sample) string {
	switch {
	case fresh.Answers < enough:
		return Unknown
	case fresh.share() > old.share()+allowed:
		return No
	default:
		return Yes
	}
}

func (s Sample) share() float64 {
	if s.Answers == 0 {
		return 0
	}
	return float64(s.Errors) / float64(s.Answers)
}
