package failover_test

import (
	"testing"

	"course.example/lab/labtest"
)

func TestExperiments(t *testing.T) { labtest.Experiments(t) }
