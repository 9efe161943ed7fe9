//! What Moodle keeps where: configuration, versions, pool, the rest of the dataroot.
