"""Does it help?"""

import streamlit as st

from core.choices import SelectionRow
from core.people import Role
from core.reports import ProofReport
from core.web.jobs import show_bad_end, show_work
from core.web.linked import choose_linked
from core.web.notices import escape_markdown, show_errors
from core.web.proof.asking import ask_proof, offer_to_hold_out
from core.web.proof.found import describe_tuning, show_found
from core.web.session import allowed, open_bench
from core.web.steps import require_selection
from core.web.strip import SHOWN
from core.web.theme import format_count
from core.workbench.planning import FEWEST_HELD_OUT
from core.workbench.watching import WorkingJob

FIRST = "Proof fine-tunes small models on the selection and on random subsets, and tells which did better."


@st.fragment(run_every=3.0)
def follow(proof: str, dataset: str) -> None:
    """The running job, drawn again as it goes on; the page is drawn again with each fine-tune that is done."""
    bench = open_bench()
    progress, done = bench.proof_progress(proof), bench.tuned(proof)
    if not progress.is_working or st.session_state.setdefault(f"proof.done.{proof}", done) != done:
        st.session_state[f"proof.done.{proof}"] = done
        st.rerun()
    show_work(WorkingJob("proof", proof, dataset, progress), "The fine-tunes that are done are kept.")


@st.cache_data(show_spinner="Comparing", max_entries=32, ttl=300)
def read_report(proof: str, tuned: int) -> ProofReport:
    """What a proof found by its fine-tunes that are done: the bootstraps of all subsets take a second."""
    del tuned
    return open_bench().proof(proof)


def show_proof(proof: str) -> None:
    """Where a proof stands and what it has found."""
    bench = open_bench()
    progress, report = bench.proof_progress(proof), read_report(proof, bench.tuned(proof))
    st.session_state[SHOWN] = proof
    if progress.is_working:
        follow(proof, report.dataset)
    elif progress.state != "done":
        show_bad_end("proof", proof, progress)
        if st.button("Resume", type="primary", key="proof.resume", **allowed(Role.CURATOR)):
            bench.resume_proof(proof)
            st.rerun()
    told = f"{format_count(report.done)} of {format_count(report.planned)} fine-tunes are done."
    st.caption(escape_markdown(f"{told} {describe_tuning(bench.planned(proof)[1])}"))
    show_found(report)


def show_proofs(selection: SelectionRow) -> None:
    """The proofs of a selection, the newest first, and the way to the next."""
    found = [name for name, plan in open_bench().proofs(selection.dataset) if plan.selection == selection.selection]
    if found:
        labels = {name: f"Proof {name[:6]}" for name in found}
        chosen = found[0]
        if len(found) > 1:
            chosen = choose_linked(st.selectbox, "Proof", "proof", found, labels.__getitem__)
        with show_errors():
            show_proof(chosen)
    ask_proof(selection, is_first=not found)


with show_errors():
    chosen = require_selection(FIRST)
    if chosen:
        run = open_bench().runs.get(chosen.run)
        if len(open_bench().held_out(run.run)[1]) >= FEWEST_HELD_OUT:
            show_proofs(chosen)
        else:
            offer_to_hold_out(run)
