-- An organisation that is erased leaves nothing here but the accounts of its people, who may belong elsewhere too.
grant delete on identity.membership, identity.invitation to hitaji_app;
