package accounts

import (
	"errors"
	"testing"
)

func TestAHoldGivesBackExactlyWhatItTook(t *testing.T) {
	var running, failed Hold
	a, b := running.Account("a"), running.Account("b")
	if failed.Account("a") != a {
		t.Error("two handlers with one credential do not share its account")
	}
	failed.Account("c")
	if err := failed.Release(); err != nil {
		t.Fatal(err)
	}
	if err := failed.Release(); err != nil { // what is given back is not given back again
		t.Fatal(err)
	}
	for id, want := range map[string]int{"a": 1, "b": 1, "c": 0} {
		if got := References(id); got != want {
			t.Errorf("%s has %d references, want %d", id, got, want)
		}
	}
	var next Hold
	if next.Account("a") != a || next.Account("b") != b {
		t.Error("accounts do not outlive the handler that began them")
	}
	if err := running.Release(); err != nil {
		t.Fatal(err)
	}
	if References("a") != 1 {
		t.Errorf("a has %d references while it is still held", References("a"))
	}
	if err := next.Release(); err != nil {
		t.Fatal(err)
	}
	var later Hold
	if later.Account("a") == a {
		t.Error("an account that nobody held any more was kept")
	}
	if err := later.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestOneHandlerMayTakeAnAccountTwice(t *testing.T) {
	var h Hold
	h.Account("twice")
	h.Account("twice")
	if got := References("twice"); got != 2 {
		t.Errorf("%d references", got)
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	if got := References("twice"); got != 0 {
		t.Errorf("%d references after the release", got)
	}
}

func TestGroupsAreSharedWithinABackendOnly(t *testing.T) {
	var one, two Hold
	defer one.Release()
	defer two.Release()
	g := one.Group("vertex", "project")
	if two.Group("vertex", "project") != g {
		t.Error("two handlers do not share what is known of a group")
	}
	if two.Group("gemini_api", "project") == g {
		t.Error("two backends share a group: each has a quota of its own")
	}
	if two.Group("vertex", "other") == g {
		t.Error("two names share a group")
	}
}

func TestLessonsAreSharedByAll(t *testing.T) {
	var one, two Hold
	defer one.Release()
	defer two.Release()
	if one.Lessons() != two.Lessons() {
		t.Error("two handlers do not share what refusals have taught")
	}
}

func TestSignaturesOutliveAConfiguration(t *testing.T) {
	var one, two, later Hold
	kept := one.Signatures()
	if two.Signatures() != kept {
		t.Error("a new configuration begins without the signatures of running conversations")
	}
	if err := errors.Join(one.Release(), two.Release()); err != nil {
		t.Fatal(err)
	}
	defer later.Release()
	if later.Signatures() == kept {
		t.Error("signatures are kept when nobody holds them any more")
	}
}

func TestOverloadedModelsAreSharedByAll(t *testing.T) {
	var one, two Hold
	defer one.Release()
	defer two.Release()
	if one.Models() != two.Models() {
		t.Error("two handlers do not share what is known of models")
	}
}
