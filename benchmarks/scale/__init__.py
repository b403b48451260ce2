"""What very many jobs, very many clients and a forgotten transaction do to claims."""
