package score

import (
	"testing"

	"course.example/lab/services/servicestest"
)

func TestMain(m *testing.M) { servicestest.Main(m) }
