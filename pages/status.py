"""Is all well with the workspace and the machine?"""

import streamlit as st

from core.web.notices import show_errors
from core.web.status.tables import show_disk, show_health, show_jobs, show_machine, show_versions

with show_errors():
    show_health()
    st.header("Jobs")
    show_jobs()
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Machine")
        show_machine()
        st.header("Versions")
        show_versions()
    with right:
        st.header("Disk")
        show_disk()
    st.button("Look again", help="Sizes of folders are measured once a minute at most.")
