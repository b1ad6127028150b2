package rotator

import "testing"

func TestOnlyWhatWasTheGroupsFaultIsForgiven(t *testing.T) {
	candidates := fleet(12)
	decisions := []Decision{{Next: Elsewhere, Mark: MarkGroup}, {Next: Elsewhere, Mark: MarkAccount}, {Next: Anywhere}}
	for n := range len(candidates) + 1 {
		var tried Tried
		for i := range n {
			tried.add(&candidates[i], &decisions[i%3])
		}
		tried.forgive()
		if want := n - (n+2)/3; tried.n != want {
			t.Errorf("%d of %d remain, want %d", tried.n, n, want)
		}
		for i := range n {
			if got := tried.account(candidates[i].Account, avoidAll); got != (i%3 != 0) {
				t.Errorf("of %d, number %d is avoided: %v", n, i, got)
			}
			if tried.group(candidates[i].Group, avoidFault) {
				t.Errorf("of %d, the group of number %d is at fault", n, i)
			}
		}
		tried.add(&candidates[0], &decisions[0])
		if !tried.group(candidates[0].Group, avoidFault) {
			t.Errorf("of %d, what comes afterwards is not remembered", n)
		}
	}
	var none *Tried
	none.forgive() // nobody takes notes
}
